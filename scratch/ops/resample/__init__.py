"""Images at other places and sizes."""

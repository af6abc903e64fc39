"""TODO callbacks."""

"""Tables of rows that are looked up by number."""

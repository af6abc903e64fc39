"""TODO callbacks/pictures."""

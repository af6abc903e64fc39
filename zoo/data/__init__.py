"""Data modules, one source a file; loader.py and images.py are what they share."""

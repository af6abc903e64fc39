"""Losses, and how each becomes one number."""

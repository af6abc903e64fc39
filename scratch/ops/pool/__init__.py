"""Pooling: each window becomes one number; and its inverse."""

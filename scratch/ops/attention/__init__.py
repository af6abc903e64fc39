"""Attention: by scaled products, in several heads, by alignment, and the positions that it needs."""

"""Convolution, its transpose, the windows that both read, and padding."""

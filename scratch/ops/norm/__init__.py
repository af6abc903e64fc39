"""Normalisation by mean and variance, by mean square, and by neighbours."""

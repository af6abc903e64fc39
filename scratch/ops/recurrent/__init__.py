"""Recurrent networks: one step after another, forward and backward in time."""

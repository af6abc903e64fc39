"""Warnings, which compiled code leaves out: they would break its graph."""

import warnings

import torch


def warn(message: str, stacklevel: int = 1) -> None:
    """`warnings.warn`, from the line that calls this or so many levels above."""
    if not torch.compiler.is_compiling():
        warnings.warn(message, stacklevel=stacklevel + 1)

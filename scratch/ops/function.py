"""The base class of every hand-written op."""

import inspect
from typing import Any

import torch


class Function(torch.autograd.Function):
    """`torch.autograd.Function` in the form forward -> setup_context -> backward, vmap derived by PyTorch.

    Rules that every subclass keeps:

    * ``forward`` computes on plain tensors; nothing in it is recorded.
    * ``setup_context`` saves inputs and outputs only. Any other tensor of the forward pass saved here would be a
      constant to a second differentiation, and give a wrong second derivative in silence.
    * ``backward`` is differentiable: built from recorded operations on what was saved. Where a faster in-place
      form exists it runs when ``torch.is_grad_enabled()`` is False, which is the case in every first-order
      backward pass.
    """

    generate_vmap_rule = True

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        # apply() asks inspect.signature(forward) at every call; answering once halves the cost of a small op.
        forward: Any = cls.forward
        forward.__signature__ = inspect.signature(forward)

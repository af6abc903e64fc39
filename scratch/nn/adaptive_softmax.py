"""Adaptive softmax: frequent classes in a head, rare ones in clusters of the tail, of which a target needs one at most.

    log p(c | x) = log softmax(head x)_c                                          for c in the shortlist
                 = log softmax(head x)_i + log softmax(tail_i x)_c                for c in the cluster i

The head is a Linear to the shortlist and one output for each cluster; a tail projects to in_features / div_value^i
numbers first, so that rare classes cost little. Only layers that have pages of their own are put together here.
Source: Grave, Joulin, Cissé, Grangier and Jégou, Efficient softmax approximation for GPUs (2017).
"""

from collections import namedtuple
from collections.abc import Sequence
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import ModuleList, Sequential

from scratch.nn import functional as F
from scratch.nn.layer import Layer
from scratch.nn.linear import Linear

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Layer, nn.AdaptiveLogSoftmaxWithLoss):
    """x (N, I) and class numbers (N,) -> their log-probabilities (N,) and the mean of their negatives.

    Classes are sorted by frequency; ``cutoffs`` are where clusters begin.
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        within = all(int(c) == c and 0 < c < n_classes for c in cutoffs)
        if not cutoffs or not within or cutoffs != sorted(set(cutoffs)):
            raise ValueError(f"cutoffs must be growing whole numbers from 1 to {n_classes - 1}, but are {cutoffs}")
        self.in_features, self.n_classes = in_features, n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value, self.head_bias = div_value, head_bias
        self.shortlist_size, self.n_clusters = cutoffs[0], len(cutoffs)
        self.head_size = self.shortlist_size + self.n_clusters
        factory = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **factory)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(pairwise(self.cutoffs)):
            width = int(in_features // div_value ** (i + 1))
            narrow, wide = Linear(in_features, width, False, **factory), Linear(width, high - low, False, **factory)
            self.tail.append(Sequential(narrow, wide))

    def reset_parameters(self) -> None:
        for layer in self.modules():
            if isinstance(layer, Linear):
                layer.reset_parameters()

    def forward(self, input_: Tensor, target_: Tensor) -> _ASMoutput:
        if target_.dim() > 1 or input_.dim() != target_.dim() + 1:
            shapes = f"{list(input_.shape)} and {list(target_.shape)}"
            raise RuntimeError(f"an input (N, I) goes with a target (N,), and (I,) with (), but got {shapes}")
        if target_.dtype not in (torch.int32, torch.int64):
            raise RuntimeError(f"targets must be int32 or int64, but are {target_.dtype}")
        input, target = (input_, target_.long()) if target_.dim() else (input_[None], target_[None].long())
        if len(input) != len(target):
            raise RuntimeError(f"input has a batch of {len(input)}, target one of {len(target)}")
        if len(target) and not (target.min() >= 0 and target.max() < self.n_classes):
            raise RuntimeError(f"targets must be in [0, {self.n_classes})")
        found, in_head = [], target.clone()
        for i, (low, high) in enumerate(pairwise(self.cutoffs)):
            rows = ((target >= low) & (target < high)).nonzero().squeeze(1)
            if len(rows):
                in_head[rows] = self.shortlist_size + i
                logits = self.tail[i](input.index_select(0, rows))
                found.append((rows, F.cross_entropy(logits, target[rows] - low, reduction="none")))
        loss = F.cross_entropy(self.head(input), in_head, reduction="none")
        for rows, more in found:
            loss = loss.index_add(0, rows, more)
        loss = loss.to(input.dtype)
        return _ASMoutput(-loss if target_.dim() else -loss[0], loss.mean())

    def log_prob(self, input: Tensor) -> Tensor:
        """The logarithms of the probabilities of all classes, (N, n_classes)."""
        head = F.log_softmax(self.head(input), 1)
        parts = [head[:, : self.shortlist_size]]
        for i, tail in enumerate(self.tail):
            parts.append(F.log_softmax(tail(input), 1) + head[:, self.shortlist_size + i, None])
        return torch.cat(parts, 1)

    def predict(self, input: Tensor) -> Tensor:
        """The class of the highest probability, where the head prefers a cluster among all classes."""
        best = self.head(input).argmax(1)
        rare = best >= self.shortlist_size
        if rare.any():
            best[rare] = self.log_prob(input[rare]).argmax(1)
        return best

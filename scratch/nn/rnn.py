"""RNN, LSTM, GRU and their cells: parameters, initial states, packed and padded sequences; the mathematics is
in scratch/ops/recurrent/."""

import math
import numbers
import warnings
from collections.abc import Sequence
from functools import partial
from inspect import signature
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import Parameter, init
from torch.nn.utils.rnn import PackedSequence

from scratch.nn.layer import Layer
from scratch.ops.core.dtype import autocast_on
from scratch.ops.recurrent.gru import gru
from scratch.ops.recurrent.lstm import lstm
from scratch.ops.recurrent.rnn import rnn
from scratch.ops.recurrent.sequence import Layer as Recurrence
from scratch.ops.recurrent.sequence import Sizes, State, Weights, stack


class RNNBase(Layer, nn.RNNBase):
    """What RNN, LSTM and GRU share: L layers of D directions, each with

    weight_ih (G·H, I), weight_hh (G·H, R), bias_ih, bias_hh (G·H,) and, with projections, weight_hr (R, H)

    for G gates, named weight_ih_l0, weight_ih_l0_reverse and so on, initialised uniformly in ±1/√H. R, the size
    of the output, is proj_size or else H, and layers above the first read D·R numbers.

    Shapes: input (T, N, I), (N, T, I) with ``batch_first``, (T, I) for one sequence, or a PackedSequence; the
    output likewise, with D·R for I; each state (L·D, N, R or H), or without N. They begin as zeros by default.
    """

    def __init__(
        self,
        mode: str,
        input_size: int,
        hidden_size: int,
        num_layers: int = 1,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        device=None,
        dtype=None,
    ) -> None:
        super().__init__()
        if not isinstance(dropout, numbers.Number) or isinstance(dropout, bool) or not 0 <= dropout <= 1:
            raise ValueError(f"dropout must be a number in [0, 1], got {dropout!r}")
        for name, value, kind in (
            ("bias", bias, bool),
            ("batch_first", batch_first, bool),
            ("input_size", input_size, int),
            ("hidden_size", hidden_size, int),
        ):
            if not isinstance(value, kind):
                raise TypeError(f"{name} must be {kind.__name__}, got {type(value).__name__}")
        if min(input_size, hidden_size, num_layers) <= 0:
            raise ValueError("input_size, hidden_size and num_layers must be greater than zero")
        if not 0 <= proj_size < hidden_size:
            raise ValueError("proj_size must be at least 0 and smaller than hidden_size")
        if dropout > 0 and num_layers == 1:
            warnings.warn(f"dropout={dropout} acts between layers, and there is only one", stacklevel=3)
        self.mode = mode
        self.input_size, self.hidden_size, self.num_layers = input_size, hidden_size, num_layers
        self.bias, self.batch_first, self.dropout = bias, batch_first, float(dropout)
        self.bidirectional, self.proj_size = bidirectional, proj_size

        kinds = ["weight_ih", "weight_hh"] + ["bias_ih", "bias_hh"] * bias + ["weight_hr"] * bool(proj_size)
        suffixes = ("", "_reverse")[: 1 + bidirectional]
        # the names of the parameters of each layer and direction, in their order; and of all in a row
        self._all_weights = [[f"{kind}_l{depth}{s}" for kind in kinds] for depth in range(num_layers) for s in suffixes]
        self._flat_weights_names = [name for names in self._all_weights for name in names]
        rows = GATES[mode] * hidden_size
        for place, names in enumerate(self._all_weights):
            columns = input_size if place <= bidirectional else (1 + bidirectional) * self.output_size
            shapes = (rows, columns), (rows, self.output_size), *[(rows,)] * (2 * bias), (proj_size, hidden_size)
            for name, shape in zip(names, shapes, strict=False):  # a projection is the last, or there is none
                self.register_parameter(name, Parameter(torch.empty(shape, device=device, dtype=dtype)))
        self.reset_parameters()

    @property
    def output_size(self) -> int:
        return self.proj_size or self.hidden_size

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.hidden_size)
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def flatten_parameters(self) -> None:
        """Do nothing: only cuDNN wants the weights side by side in memory."""

    @property
    def all_weights(self) -> list[list[Parameter]]:
        return [[getattr(self, name) for name in names] for names in self._all_weights]

    @property
    def _flat_weights(self) -> tuple[Parameter, ...]:
        """All weights, to read: torch's is a list, in which one may put another weight, without effect here."""
        return tuple(getattr(self, name) for name in self._flat_weights_names)

    def layer_weights(self) -> list[Weights]:
        """For each layer and direction the arguments of its op; None for what it does not have."""
        kinds = ["weight_ih", "weight_hh", "bias_ih", "bias_hh"] + ["weight_hr"] * (self.mode == "LSTM")
        return [
            [getattr(self, names[0].replace("weight_ih", kind), None) for kind in kinds] for names in self._all_weights
        ]

    def run(self, input: Tensor | PackedSequence, states: State | None):
        """Output and last states: the forward pass of every subclass."""
        if isinstance(input, PackedSequence):
            x, batch_sizes, sorted_indices, unsorted_indices = input
            self.check_input(x, batch_sizes)
            states = self.begin(x, states, int(batch_sizes[0]))
            if sorted_indices is not None:
                states = tuple(state.index_select(1, sorted_indices) for state in states)
            y, states = self.stack(x, states, tuple(batch_sizes.tolist()))
            if unsorted_indices is not None:
                states = tuple(state.index_select(1, unsorted_indices) for state in states)
            return PackedSequence(y, batch_sizes, sorted_indices, unsorted_indices), states

        if input.dim() not in (2, 3):
            raise ValueError(f"{type(self).__name__} takes an input of 2 or 3 dimensions, got {input.dim()}")
        if any(state.dim() != input.dim() for state in states or ()):
            raise RuntimeError(f"with an input of {input.dim()} dimensions each state must have as many")
        if input.dim() == 2:  # one sequence without its batch dimension
            batch_dim = 0 if self.batch_first else 1
            states = None if states is None else tuple(state.unsqueeze(1) for state in states)
            y, states = self.run(input.unsqueeze(batch_dim), states)
            return y.squeeze(batch_dim), tuple(state.squeeze(1) for state in states)

        x = input.transpose(0, 1) if self.batch_first else input
        steps, batch, size = x.shape
        self.check_input(input, None)
        states = self.begin(x, states, batch)
        if steps == 0:
            raise RuntimeError("expected a sequence of at least one step")
        y, states = self.stack(x.reshape(steps * batch, size), states, (batch,) * steps)
        y = y.view(steps, batch, y.shape[1])
        return y.transpose(0, 1) if self.batch_first else y, states

    def begin(self, x: Tensor, states: State | None, batch: int) -> State:
        """The initial states, zeros unless given; an error where they do not fit the layer."""
        sizes = (self.output_size, self.hidden_size)[: 2 if self.mode == "LSTM" else 1]
        shapes = [(len(self._all_weights), batch, size) for size in sizes]
        if states is None:
            return tuple(x.new_zeros(shape) for shape in shapes)
        for state, shape, what in zip(states, shapes, ("hidden[0]", "hidden[1]"), strict=False):
            self.check_hidden_size(state, shape, f"Expected {what} size {{}}, got {{}}")
        return states

    # torch's checks under torch's names, for subclasses with a forward of their own

    def check_input(self, input: Tensor, batch_sizes: Tensor | None) -> None:
        weight = self.all_weights[0][0]
        if input.dtype != weight.dtype and not autocast_on(input):
            raise ValueError(f"input is {input.dtype}, weights are {weight.dtype}: convert one with .to(…)")
        dims = 3 if batch_sizes is None else 2
        if input.dim() != dims:
            raise RuntimeError(f"input must have {dims} dimensions, got {input.dim()}")
        if input.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, got {input.shape[-1]}"
            )

    def get_expected_hidden_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        batch = input.shape[0 if self.batch_first else 1] if batch_sizes is None else int(batch_sizes[0])
        return len(self._all_weights), batch, self.output_size

    def check_hidden_size(
        self, hx: Tensor, expected_hidden_size: tuple[int, int, int], msg: str = "Expected hidden size {}, got {}"
    ) -> None:
        if hx.shape != expected_hidden_size:
            raise RuntimeError(msg.format(expected_hidden_size, list(hx.shape)))

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        self.check_input(input, batch_sizes)
        self.check_hidden_size(hidden, self.get_expected_hidden_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        return hx if permutation is None else hx.index_select(1, permutation)

    def stack(self, x: Tensor, states: State, sizes: Sizes) -> tuple[Tensor, State]:
        probability = self.dropout if self.training else 0.0
        return stack(LAYERS[self.mode], x, states, self.layer_weights(), sizes, self.bidirectional, probability)

    def extra_repr(self) -> str:
        text = f"{self.input_size}, {self.hidden_size}"
        for name in ("proj_size", "num_layers", "bias", "batch_first", "dropout", "bidirectional"):
            if getattr(self, name) != DEFAULTS[name]:
                text += f", {name}={getattr(self, name)}"
        return text


class RNN(RNNBase, nn.RNN):
    """RNN(input_size, hidden_size, num_layers=1, nonlinearity="tanh", bias=True, batch_first=False,
    dropout=0.0, bidirectional=False, device=None, dtype=None)

    h′ = φ(W x + U h + b), with φ = tanh or "relu"; equations in scratch/ops/recurrent/rnn.py.
    """

    def __init__(self, *args, **kwargs) -> None:
        without_projection(kwargs)
        if len(args) > 3:
            nonlinearity, args = args[3], args[:3] + args[4:]
        else:
            nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if nonlinearity not in ("tanh", "relu"):
            raise ValueError(f"nonlinearity must be 'tanh' or 'relu', got {nonlinearity!r}")
        super().__init__(f"RNN_{nonlinearity.upper()}", *args, **kwargs)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor | PackedSequence, hx: Tensor | None = None):
        output, (h,) = self.run(input, None if hx is None else (hx,))
        return output, h


class GRU(RNNBase, nn.GRU):
    """GRU(input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
    bidirectional=False, device=None, dtype=None)

    The gated recurrent unit; equations in scratch/ops/recurrent/gru.py.
    """

    def __init__(self, *args, **kwargs) -> None:
        without_projection(kwargs)
        super().__init__("GRU", *args, **kwargs)

    def forward(self, input: Tensor | PackedSequence, hx: Tensor | None = None):
        output, (h,) = self.run(input, None if hx is None else (hx,))
        return output, h


class LSTM(RNNBase, nn.LSTM):
    """LSTM(input_size, hidden_size, num_layers=1, bias=True, batch_first=False, dropout=0.0,
    bidirectional=False, proj_size=0, device=None, dtype=None)

    Long short-term memory; equations in scratch/ops/recurrent/lstm.py. The state is the pair (h, c); with ``proj_size``
    h is projected to that size.
    """

    def __init__(self, *args, **kwargs) -> None:
        super().__init__("LSTM", *args, **kwargs)

    def forward(self, input: Tensor | PackedSequence, hx: tuple[Tensor, Tensor] | None = None):
        return self.run(input, None if hx is None else (hx[0], hx[1]))

    def get_expected_cell_size(self, input: Tensor, batch_sizes: Tensor | None) -> tuple[int, int, int]:
        return *self.get_expected_hidden_size(input, batch_sizes)[:2], self.hidden_size

    def check_forward_args(self, input: Tensor, hidden: Any, batch_sizes: Tensor | None) -> None:
        super().check_forward_args(input, hidden[0], batch_sizes)
        self.check_hidden_size(hidden[1], self.get_expected_cell_size(input, batch_sizes))

    def permute_hidden(self, hx: Any, permutation: Tensor | None) -> Any:
        return tuple(super(LSTM, self).permute_hidden(state, permutation) for state in hx)


DEFAULTS = {name: p.default for name, p in signature(RNNBase.__init__).parameters.items()}
GATES = {"RNN_TANH": 1, "RNN_RELU": 1, "GRU": 3, "LSTM": 4}
LAYERS: dict[str, Recurrence] = {
    "RNN_TANH": rnn,
    "RNN_RELU": partial(rnn, nonlinearity="relu"),
    "GRU": gru,
    "LSTM": lstm,
}


def without_projection(kwargs: dict) -> None:
    if "proj_size" in kwargs:
        raise ValueError("proj_size is for LSTM only, not for RNN or GRU")


class RNNCellBase(Layer, nn.RNNCellBase):
    """One step of a recurrent layer: x (N, I) and h (N, H), or both without N. A sequence of one step."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool, num_chunks: int, device=None, dtype=None) -> None:
        super().__init__()
        self.input_size, self.hidden_size, self.bias = input_size, hidden_size, bias
        rows = num_chunks * hidden_size
        self.weight_ih = Parameter(torch.empty(rows, input_size, device=device, dtype=dtype))
        self.weight_hh = Parameter(torch.empty(rows, hidden_size, device=device, dtype=dtype))
        for name in ("bias_ih", "bias_hh"):
            self.register_parameter(name, Parameter(torch.empty(rows, device=device, dtype=dtype)) if bias else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        bound = 1 / math.sqrt(self.hidden_size) if self.hidden_size > 0 else 0
        for weight in self.parameters():
            init.uniform_(weight, -bound, bound)

    def run(self, layer: Recurrence, input: Tensor, states: Sequence[Tensor] | None, count: int = 1) -> State:
        """The next state: ``count`` matrices, which start as zeros where none are given."""
        if any(tensor.dim() not in (1, 2) for tensor in (input, *(states or ()))):
            raise ValueError(f"{type(self).__name__} takes an input and states of 1 or 2 dimensions")
        batched = input.dim() == 2
        if not batched:
            input = input.unsqueeze(0)
            states = None if states is None else [state.unsqueeze(0) for state in states]
        shape = (input.shape[0], self.hidden_size)
        if states is None:
            states = [input.new_zeros(shape) for _ in range(count)]
        for state in states:
            if state.shape != shape:
                raise RuntimeError(f"expected a state of size {shape}, got {tuple(state.shape)}")
        weights = [self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh] + [None] * (count - 1)
        _, ended = layer(input, tuple(states), weights, (shape[0],))
        return ended if batched else tuple(state.squeeze(0) for state in ended)

    def extra_repr(self) -> str:
        nonlinearity = getattr(self, "nonlinearity", "tanh")
        return (
            f"{self.input_size}, {self.hidden_size}"
            + (f", bias={self.bias}" if self.bias is not True else "")
            + (f", nonlinearity={nonlinearity}" if nonlinearity != "tanh" else "")
        )


class RNNCell(RNNCellBase, nn.RNNCell):
    """h′ = φ(W x + U h + b) with φ = tanh or "relu"."""

    def __init__(
        self,
        input_size: int,
        hidden_size: int,
        bias: bool = True,
        nonlinearity: str = "tanh",
        device=None,
        dtype=None,
    ) -> None:
        super().__init__(input_size, hidden_size, bias, 1, device, dtype)
        self.nonlinearity = nonlinearity

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        if self.nonlinearity not in ("tanh", "relu"):
            raise RuntimeError(f"nonlinearity must be 'tanh' or 'relu', got {self.nonlinearity!r}")
        layer = partial(rnn, nonlinearity=self.nonlinearity)
        return self.run(layer, input, None if hx is None else (hx,))[0]


class LSTMCell(RNNCellBase, nn.LSTMCell):
    """(h′, c′) from x and (h, c); equations in scratch/ops/recurrent/lstm.py."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device=None, dtype=None) -> None:
        super().__init__(input_size, hidden_size, bias, 4, device, dtype)

    def forward(self, input: Tensor, hx: tuple[Tensor, Tensor] | None = None) -> State:
        return self.run(lstm, input, hx, count=2)


class GRUCell(RNNCellBase, nn.GRUCell):
    """h′ from x and h; equations in scratch/ops/recurrent/gru.py."""

    def __init__(self, input_size: int, hidden_size: int, bias: bool = True, device=None, dtype=None) -> None:
        super().__init__(input_size, hidden_size, bias, 3, device, dtype)

    def forward(self, input: Tensor, hx: Tensor | None = None) -> Tensor:
        return self.run(gru, input, None if hx is None else (hx,))[0]

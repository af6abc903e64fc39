"""Recurrent networks that read a sequence step by step and predict its class, or numbers.

    hₜ = f(hₜ₋₁, xₜ) for t = 1 … T,   output = V h_T + c,   f one of the cells of Elman (RNN), LSTM or GRU.

At the end, what the network knows of x₁ has passed through T steps, and so has the gradient on its way back. The cells
differ in how much of either survives.
Sources: Elman, Finding structure in time (1990); Hochreiter and Schmidhuber, Long short-term memory (1997); Cho et al.,
Learning phrase representations using RNN encoder-decoder for statistical machine translation (2014).
"""

from typing import Any

import torch
from lightning import Callback
from torch import Tensor
from torch.nn import Module
from torch.nn.utils.rnn import PackedSequence

from zoo.base.classifier import Classifier
from zoo.base.regressor import Regressor
from zoo.callbacks.pictures.gradient import GradientPicture, gradient_norms
from zoo.core.errors import between, one_of, whole
from zoo.core.namespace import Namespace

# cell: the layer, and its options
CELLS: dict[str, tuple[str, dict[str, str]]] = {
    "RNN": ("RNN", {}),
    "RNN_relu": ("RNN", {"nonlinearity": "relu"}),
    "LSTM": ("LSTM", {}),
    "GRU": ("GRU", {}),
}
GATED = {"LSTM": 4, "GRU": 3}  # the number of gates
State = Any  # a tensor h (depth · directions, N, hidden), or the pair (h, c) of an LSTM


class Recurrent(Module):
    """`depth` recurrent layers: (N, T, F) or a PackedSequence -> the output at each step, and the last state.

    Args:
        memory: for about how many steps the cells keep their state before any training, see `remember`. With None the
            gates start half open, and half of the state is lost at every step.
    """

    def __init__(
        self,
        layers: str,
        cell: str,
        in_features: int,
        hidden: int,
        depth: int,
        bidirectional: bool,
        dropout: float,
        memory: int | None,
    ) -> None:
        super().__init__()
        one_of("model.cell", cell, CELLS)
        whole("model.hidden", hidden, 1)
        whole("model.depth", depth, 1)
        between("model.dropout", dropout, 0, 1)
        nn = Namespace(layers)
        name, options = CELLS[cell]
        self.layers = getattr(nn, name)(
            in_features,
            hidden,
            depth,
            batch_first=True,
            dropout=dropout if depth > 1 else 0.0,
            bidirectional=bidirectional,
            **options,
        )
        self.directions = 1 + bidirectional
        self.out_features = self.directions * hidden
        if memory is not None:
            whole("model.memory", memory, 2)
            remember(self.layers, cell, memory)

    def forward(self, input: Tensor | PackedSequence, state: State = None) -> tuple[Any, State]:
        return self.layers(input, state)

    def last(self, state: State) -> Tensor:
        """The last state of the top layer, (N, directions · hidden).

        It is of the last step of each sequence forward in time, and of the first step backward in time.
        """
        h = state[0] if isinstance(state, tuple) else state
        return torch.cat(h[-self.directions :].unbind(0), 1)


@torch.no_grad()
def remember(recurrent: Module, cell: str, steps: int) -> None:
    """Initialise the cells so that they keep their state for up to `steps` steps.

    LSTM and GRU: a gate that keeps the fraction σ(b) of the state at every step keeps it for about 1 + exp(b) steps. So
    b = log u with u uniform in [1, steps − 1], drawn for each unit. In an LSTM, whose gates are i, f, g, o, b is the
    bias of the forget gate f and −b that of the input gate i; in a GRU, whose gates are r, z, n, b is the bias of z.
    Only the sum of the two biases of a gate matters. Source: Tallec and Ollivier, Can recurrent neural networks warp
    time? (2018).

    RNN: hₜ = f(U hₜ₋₁ + …) with U = (1 − 1/steps) I and biases 0 keeps the state as long as f does, as relu and, near
    0, tanh do. Source: Le, Jaitly and Hinton, A simple way to initialize recurrent networks of rectified linear units
    (2015), where steps = ∞.
    """
    for name, parameter in recurrent.named_parameters():
        if cell not in GATED:
            if name.startswith("weight_hh"):
                parameter.copy_((1 - 1 / steps) * torch.eye(len(parameter)))
            elif name.startswith("bias"):
                parameter.zero_()
        elif name.startswith("bias_ih"):
            gates = parameter.view(GATED[cell], -1)
            gates[1].uniform_(1, steps - 1).log_()
            if cell == "LSTM":
                gates[0] = -gates[1]
        elif name.startswith("bias_hh"):
            parameter.view(GATED[cell], -1)[0 if cell == "LSTM" else 1 : 2] = 0


class SequenceNetwork(Module):
    """Recurrent layers, dropout and a linear layer on the last state, or on the outputs of the last `answers` steps.

    (N, T, F) or a PackedSequence -> (N, K), or (N, K, answers) with answers > 1.
    """

    def __init__(
        self, layers: str, in_features: int, outputs: int, answers: int, dropout: float, **options: Any
    ) -> None:
        super().__init__()
        nn = Namespace(layers)
        self.recurrent = Recurrent(layers, in_features=in_features, dropout=dropout, **options)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(self.recurrent.out_features, outputs)
        self.answers = answers

    def forward(self, input: Tensor | PackedSequence) -> Tensor:
        every, state = self.recurrent(input)
        if self.answers == 1:
            return self.head(self.dropout(self.recurrent.last(state)))
        return self.head(self.dropout(every[:, -self.answers :])).transpose(1, 2)


class SequenceRegressor(Regressor):
    """Predicts num_targets numbers from a sequence. The other arguments are those of `SequenceClassifier`."""

    def __init__(
        self,
        layers: str = "zoo.layers",
        cell: str = "LSTM",
        hidden: int = 128,
        depth: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        memory: int | None = None,
        in_features: int = 2,
        num_targets: int = 1,
        **training: Any,
    ) -> None:
        super().__init__(layers, **training)
        self.save_hyperparameters(ignore=list(training))
        self.network = SequenceNetwork(
            layers, in_features, num_targets, 1, dropout,
            cell=cell, hidden=hidden, depth=depth, bidirectional=bidirectional, memory=memory,
        )  # fmt: skip

    def gradient_per_step(self, batch: tuple[Any, Tensor]) -> Tensor:
        return gradient_norms(batch[0], lambda input: self.loss(self(input), batch[1]))

    def configure_callbacks(self) -> list[Callback]:
        return [GradientPicture()]


class SequenceClassifier(Classifier):
    """Predicts the class of a sequence, or of each of its last `answers` steps.

    Args:
        cell: "RNN", "RNN_relu", "LSTM" or "GRU".
        hidden, depth, bidirectional: the width of a layer in each direction, the number of layers, and whether each
            reads the sequence backwards as well.
        dropout: between the layers and before the output.
        memory: see `Recurrent`.

    Input (N, T, in_features) or a PackedSequence of sequences of different lengths; output logits (N, num_classes), or
    (N, num_classes, answers). Raises UsageError for an unknown cell, or a size out of range.
    """

    alternatives = (SequenceRegressor,)  # where the data ask for numbers

    def __init__(
        self,
        layers: str = "zoo.layers",
        cell: str = "LSTM",
        hidden: int = 128,
        depth: int = 1,
        bidirectional: bool = False,
        dropout: float = 0.0,
        memory: int | None = None,
        in_features: int = 8,
        num_classes: int = 10,
        answers: int = 1,
        **training: Any,
    ) -> None:
        super().__init__(layers, num_classes, **training)
        self.save_hyperparameters(ignore=list(training))
        self.network = SequenceNetwork(
            layers, in_features, num_classes, answers, dropout,
            cell=cell, hidden=hidden, depth=depth, bidirectional=bidirectional, memory=memory,
        )  # fmt: skip

    def gradient_per_step(self, batch: tuple[Any, Tensor]) -> Tensor:
        return gradient_norms(batch[0], lambda input: self.loss(self(input), batch[1]))

    def configure_callbacks(self) -> list[Callback]:
        return [*super().configure_callbacks(), GradientPicture()]

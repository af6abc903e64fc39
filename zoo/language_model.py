"""A recurrent language model: it reads a text character by character and predicts the next one.

    hₜ = f(hₜ₋₁, E[xₜ]),   p(xₜ₊₁ | x₁ … xₜ) = softmax(V hₜ + c).

It is trained by truncated backpropagation through time: the text is read in windows, each starts with the state in
which the one before it ended, and gradients stay within their window. Sources: Mikolov et al., Recurrent neural network
based language model (2010); Williams and Peng, An efficient gradient-based algorithm for on-line training of recurrent
network trajectories (1990).
"""

from typing import Any

from lightning import Callback
from torch import Tensor

from zoo.base.writer import Writer
from zoo.callbacks.pictures.gradient import GradientPicture, gradient_norms
from zoo.core.distributed import gathered
from zoo.core.errors import UsageError, whole
from zoo.core.namespace import Namespace
from zoo.recurrent import Recurrent, State


def detached(state: State) -> State:
    """The state, cut off from the graph that computed it."""
    return tuple(part.detach() for part in state) if isinstance(state, tuple) else state.detach()


class LanguageModel(Writer):
    """(character numbers (N, T), state) -> logits of the next characters (N, T, C), and the next state.

    Args:
        layers: the package that every layer and the loss come from.
        cell, hidden, depth: as of `zoo.recurrent.SequenceClassifier`.
        embedding: the length of a character's vector.
        dropout: on the embedded characters, between the layers and before the output.

    The other arguments, and what is logged, are those of `Writer`.
    """

    def __init__(
        self,
        layers: str = "zoo.layers",
        cell: str = "LSTM",
        embedding: int = 64,
        hidden: int = 256,
        depth: int = 1,
        dropout: float = 0.0,
        alphabet: str = "ab",
        **training: Any,
    ) -> None:
        super().__init__(layers, alphabet, **training)
        self.save_hyperparameters(ignore=list(training))
        whole("model.embedding", embedding, 1)
        nn = Namespace(layers)
        self.embedding = nn.Embedding(len(alphabet), embedding)
        self.recurrent = Recurrent(
            layers, cell, embedding, hidden, depth, bidirectional=False, dropout=dropout, memory=None
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden, len(alphabet))
        self._carried: dict[str, State] = {}  # stage -> the state in which its last window ended

    def forward(self, input: Tensor, state: State = None) -> tuple[Tensor, State]:
        return self._read(self.embedding(input), state)

    def _read(self, x: Tensor, state: State) -> tuple[Tensor, State]:
        every, state = self.recurrent(self.dropout(x), state)
        return self.head(self.dropout(every)), state

    def _loss(self, stage: str, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The loss of a window, which starts with the state in which the stage's last one ended."""
        input, target = batch
        logits, state = self(input, self._carried.get(stage))
        self._carried[stage] = detached(state)
        return self.loss(logits.flatten(0, 1), target.flatten())

    def check(self, data: Any) -> None:
        if data.shuffle:
            raise UsageError("data.shuffle=true: this model goes on from the window before, and so needs them in order")

    # Every epoch starts the text again. Within an epoch the state is part of a checkpoint.

    def on_train_epoch_start(self) -> None:
        self._carried.pop("train", None)

    def on_validation_epoch_start(self) -> None:
        self._carried.pop("val", None)

    def on_test_epoch_start(self) -> None:
        self._carried.pop("test", None)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["carried"] = gathered(self._carried.get("train"))

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        carried = checkpoint["carried"]  # of each process
        self._carried["train"] = carried[self.global_rank] if len(carried) > self.global_rank else None

    def gradient_per_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """The norms for the loss at the window's last step alone; the whole loss depends on every step directly."""
        input, target = batch
        return gradient_norms(self.embedding(input), lambda x: self.loss(self._read(x, None)[0][:, -1], target[:, -1]))

    def configure_callbacks(self) -> list[Callback]:
        return [GradientPicture(), *super().configure_callbacks()]

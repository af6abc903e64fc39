"""Text, character by character: one long sequence, cut into streams that are read side by side."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import Dataset
from torch.utils.data.distributed import DistributedSampler

from zoo.core.errors import UsageError, between, whole
from zoo.core.seeding import mix
from zoo.data.loader import Loader

EVALUATION_STREAMS = 8


class Streams(Dataset):
    """A text (L,) cut into `count` streams of equal length, read side by side in windows of `length` characters.

    Example k · count + n is window k of stream n. A loader that keeps the order and takes `count` examples at a time
    gives batches of windows (N, T), each of which continues that of the batch before. The target is the input shifted
    by one character.
    """

    def __init__(self, text: Tensor, count: int, length: int) -> None:
        self.stream = (len(text) - 1) // count  # the number of characters to predict in each stream
        self.text, self.count, self.length = text, count, length

    def __len__(self) -> int:
        return -(-self.stream // self.length) * self.count

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        window, stream = divmod(index, self.count)
        begin = window * self.length
        size = min(self.length, self.stream - begin)  # the last window may be shorter
        piece = self.text[stream * self.stream + begin :][: size + 1]
        return piece[:-1], piece[1:]

    def __getitems__(self, indices: list[int]) -> tuple[Tensor, ...]:
        return tuple(map(torch.stack, zip(*map(self.__getitem__, indices), strict=True)))


class Windows(Dataset):
    """All whole windows of `length` characters in a text (L,), each with the characters that follow its own."""

    def __init__(self, text: Tensor, length: int) -> None:
        self.text, self.length = text, length

    def __len__(self) -> int:
        """The number of windows that do not overlap, wherever the first one begins."""
        return (len(self.text) - self.length) // self.length

    def __getitem__(self, begin: int) -> tuple[Tensor, Tensor]:
        piece = self.text[begin : begin + self.length + 1]
        return piece[:-1], piece[1:]

    def __getitems__(self, begins: list[int]) -> tuple[Tensor, ...]:
        return tuple(map(torch.stack, zip(*map(self.__getitem__, begins), strict=True)))


class Shuffled(DistributedSampler):
    """The beginnings of `Windows` side by side, in random order; in each epoch the first begins elsewhere."""

    def __iter__(self) -> Iterator[int]:
        length = self.dataset.length  # type: ignore[attr-defined]
        generator = torch.Generator().manual_seed(mix(self.seed, self.epoch))
        first = int(torch.randint(length, (), generator=generator))
        return (first + window * length for window in super().__iter__())


class Text(LightningDataModule):
    """Batches (characters (N, T), following characters (N, T)) of a text, as numbers.

    The beginning of the text is for training, the next part for validation, and the last for the test.

    Args:
        path: a file in UTF-8; None for the reference of the Python language, which is in its standard library.
        length: T, characters a window, and so the largest number of steps that a gradient goes back.
        batch_size: N, the number of streams that are read side by side in training, or of windows if shuffled.
        shuffle: train on windows in random order, for models that begin each without a state, instead of on streams.
        val_fraction, test_fraction: the fractions of the text, at its end, for validation and test.
        seed: of the order of the windows.

    Raises UsageError, one line, where the file cannot be read, is not UTF-8, or a part is too short.
    """

    def __init__(
        self,
        path: str | None = None,
        length: int = 100,
        batch_size: int = 64,
        val_fraction: float = 0.05,
        test_fraction: float = 0.05,
        shuffle: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        whole("data.length", length, 1)
        whole("data.batch_size", batch_size, 1)
        between("data.val_fraction", val_fraction, 0, 1)
        between("data.test_fraction", test_fraction, 0, 1)
        between("data.val_fraction + data.test_fraction", val_fraction + test_fraction, 0, 1)
        self.path, self.length, self.batch_size = path, length, batch_size
        self.val_fraction, self.test_fraction = val_fraction, test_fraction
        self.shuffle, self.seed = shuffle, seed
        self.alphabet = ""
        self.splits: dict[str, Tensor] = {}

    @property
    def facts(self) -> dict[str, Any]:
        """What a model needs to know of the data: arguments of its constructor."""
        return {"alphabet": self.alphabet}

    def setup(self, stage: str | None = None) -> None:
        if self.splits:
            return
        text = python_reference() if self.path is None else read(self.path)
        self.alphabet = "".join(sorted(set(text)))
        codes = torch.frombuffer(bytearray(text.encode("utf-32-le")), dtype=torch.int32)
        numbers = codes.unique(return_inverse=True)[1]
        val = round(len(text) * self.val_fraction)
        test = round(len(text) * self.test_fraction)
        parts = numbers.split([len(text) - val - test, val, test])
        self.splits = dict(zip(("train", "val", "test"), parts, strict=True))
        for name, part in self.splits.items():
            streams = self.batch_size if name == "train" else 1
            if len(part) <= streams * self.length:
                raise UsageError(
                    f"data.path={self.path}: its {name} part of {len(part)} characters is shorter than "
                    f"{streams} window{'s' * (streams > 1)} of data.length={self.length}"
                    + (" side by side (data.batch_size)" if streams > 1 else "")
                )

    def _loader(self, split: str) -> Loader:
        replicas = dist.get_world_size() if dist.is_initialized() else 1
        text = self.splits[split]
        size = self.batch_size
        if split != "train":  # few streams, since each starts without a context
            size = max(1, min(EVALUATION_STREAMS, (len(text) - 1) // (self.length * replicas)))
        return Loader(Streams(text, size * replicas, self.length), size)

    def train_dataloader(self) -> Loader:
        if self.shuffle:
            windows = Windows(self.splits["train"], self.length)
            return Loader(windows, self.batch_size, shuffle=True, seed=self.seed, sampler=Shuffled)
        return self._loader("train")

    def val_dataloader(self) -> Loader:
        return self._loader("val")

    def test_dataloader(self) -> Loader:
        return self._loader("test")


def python_reference() -> str:
    """The chapters of the Python language reference that ``help()`` shows: half a million characters of English."""
    from pydoc_data.topics import topics

    return "\n\n".join(topics[name] for name in sorted(topics))


def read(path: str, key: str = "data.path=") -> str:
    """The text of a file. Raises UsageError, one line that begins with key and path, where it cannot be read."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"{key}{path}: {error.strerror or error}") from None
    if not content:
        raise UsageError(f"{key}{path}: the file is empty")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        wrong = content[error.start]
        raise UsageError(
            f"{key}{path}: not a text in UTF-8: byte {wrong:#04x} at position {error.start} cannot be decoded"
        ) from None

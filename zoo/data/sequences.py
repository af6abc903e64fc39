"""Sequences that test a memory: generated tasks, and images that are read pixel by pixel or row by row.

Sources: the adding problem, Hochreiter and Schmidhuber, Long short-term memory (1997); copy memory, there too, in the
form of Arjovsky, Shah and Bengio, Unitary evolution recurrent neural networks (2016); images as sequences, Le, Jaitly
and Hinton, A simple way to initialize recurrent networks of rectified linear units (2015); the settings, Bai, Kolter
and Koltun, An empirical evaluation of generic convolutional and recurrent networks for sequence modeling (2018).
"""

from typing import Any

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.nn.utils.rnn import pack_padded_sequence

from zoo.core.errors import at_least, one_of, whole
from zoo.core.seeding import mix
from zoo.data.digits import Digits
from zoo.data.images import ImageData
from zoo.data.loader import Loader, Tensors
from zoo.data.mnist import MNISTData


class GeneratedSequences(LightningDataModule):
    """Batches of sequences that are drawn once, from the seed.

    Args:
        length: the number of steps; in copy memory, that between the symbols and the moment they are asked for.
        train, test: the number of sequences to train on, and that to validate on and to test on.
        seed: of the sequences and their order.

    A subclass gives ``draw(count, generator)``, the tensors of `count` examples.
    """

    def __init__(self, length: int, train: int, test: int, batch_size: int = 32, seed: int = 0) -> None:
        super().__init__()
        whole("data.length", length, 2)
        whole("data.train", train, 1)
        whole("data.test", test, 1)
        whole("data.batch_size", batch_size, 1)
        self.length, self.batch_size, self.seed = length, batch_size, seed
        self.counts = {"train": train, "val": test, "test": test}
        self.splits: dict[str, tuple[Tensor, ...]] = {}

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def setup(self, stage: str | None = None) -> None:
        if not self.splits:
            for place, (name, count) in enumerate(self.counts.items()):
                self.splits[name] = self.draw(count, torch.Generator().manual_seed(mix(self.seed, place)))

    def _loader(self, split: str) -> Loader:
        return Loader(Tensors(*self.splits[split]), self.batch_size, shuffle=split == "train", seed=self.seed)

    def train_dataloader(self) -> Loader:
        return self._loader("train")

    def val_dataloader(self) -> Loader:
        return self._loader("val")

    def test_dataloader(self) -> Loader:
        return self._loader("test")


class Adding(GeneratedSequences):
    """The adding problem: numbers in [0, 1), two of them marked, whose sum is to be predicted.

    Each step is (number, mark). One mark lies in the first half of the sequence, the other in the second, and the
    mean squared error of always guessing 1 is 1/6.

    Args:
        vary: each sequence has between `length` and (1 + vary) · `length` steps; the original has 0.1.

    Batches: (N, T, 2), or with `vary` a PackedSequence; sums (N, 1).
    """

    def __init__(
        self, length: int = 100, vary: float = 0.0, train: int = 50000, test: int = 1000, **options: Any
    ) -> None:
        super().__init__(length, train, test, **options)
        at_least("data.vary", vary, 0)
        self.vary = vary

    @property
    def facts(self) -> dict[str, int]:
        """What a model needs to know of the data: arguments of its constructor."""
        return {"in_features": 2, "num_targets": 1}

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        longest = int(self.length * (1 + self.vary))
        steps = torch.randint(self.length, longest + 1, (count,), generator=generator)
        numbers = torch.rand(count, longest, generator=generator)
        first = (torch.rand(count, generator=generator) * (steps // 2)).long()
        second = steps // 2 + (torch.rand(count, generator=generator) * (steps - steps // 2)).long()
        marked = torch.stack([first, second], 1)
        return numbers, marked, steps, numbers.gather(1, marked).sum(1, keepdim=True)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        numbers, marked, steps, sums = batch
        sequences = torch.stack([numbers, torch.zeros_like(numbers).scatter(1, marked, 1.0)], 2)
        if self.vary:
            return pack_padded_sequence(sequences, steps.cpu(), batch_first=True, enforce_sorted=False), sums
        return sequences, sums


class CopyMemory(GeneratedSequences):
    """Copy memory: ten symbols out of eight, a long silence and a signal, after which the ten symbols are to be
    repeated.

    The steps are one-hot vectors of ten classes: ten symbols from 1 … 8, `length` − 1 times 0, the signal 9, and ten
    times 0, during which the symbols are asked for. Without any memory the loss of these ten steps is log 8 = 2.08. The
    literature gives the mean loss of all length + 20 steps, of which the others are trivial.
    Batches: (N, length + 20, 10), symbols (N, 10).
    """

    classes = tuple("0123456789")
    symbols = 10

    def __init__(self, length: int = 50, train: int = 10000, test: int = 1000, **options: Any) -> None:
        super().__init__(length, train, test, **options)

    @property
    def facts(self) -> dict[str, int]:
        """What a model needs to know of the data: arguments of its constructor."""
        classes = len(self.classes)
        return {"in_features": classes, "num_classes": classes, "answers": self.symbols}

    def draw(self, count: int, generator: torch.Generator) -> tuple[Tensor, ...]:
        symbols = torch.randint(1, 9, (count, self.symbols), generator=generator)
        silence = symbols.new_zeros(count, self.length + self.symbols)
        silence[:, self.length - 1] = 9
        return torch.cat([symbols, silence], 1), symbols

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        steps, symbols = batch
        dtype: Any = None if self.trainer is None else self.trainer.lightning_module.dtype
        return torch.eye(len(self.classes), device=steps.device, dtype=dtype)[steps], symbols


class ImageSequences(ImageData):
    """Images (N, C, S, S) as sequences: row by row, (N, S, C · S), or pixel by pixel, (N, S · S, C).

    Args:
        read: "row" or "pixel".
        permuted: put the pixels of all images in the same random order, so that neighbours are far apart in time.
    """

    def __init__(self, *args: Any, read: str = "row", permuted: bool = False, **options: Any) -> None:
        super().__init__(*args, **options)
        one_of("data.read", read, ("row", "pixel"))
        self.read = read
        pixels = self.image_size**2
        generator = torch.Generator().manual_seed(0)  # the same for every seed: it is part of the task
        self.order = torch.randperm(pixels, generator=generator) if permuted else None

    @property
    def facts(self) -> dict[str, int]:
        in_features = self.channels * (self.image_size if self.read == "row" else 1)
        return {"in_features": in_features, "num_classes": len(self.classes)}

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        pictures, labels = super().on_after_batch_transfer(batch, dataloader_idx)
        pixels = pictures.flatten(2)
        if self.order is not None:
            pixels = pixels[:, :, self.order.to(pixels.device)]
        steps = self.image_size if self.read == "row" else self.image_size**2
        return pixels.unflatten(2, (steps, -1)).transpose(1, 2).flatten(2), labels


class SequentialDigits(ImageSequences, Digits):
    """scikit-learn's digits as sequences."""


class SequentialMNIST(ImageSequences, MNISTData):
    """MNIST as sequences, sequential or permuted."""

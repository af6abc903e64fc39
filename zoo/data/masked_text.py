"""Text with some of its words covered, which a model is to find again from what stands around them.

Of a hundred words, or pieces of words, fifteen are chosen. Of these 80 in a hundred are replaced by MASK, 10 by another
word, drawn at random, and 10 stay: so the model cannot tell which words it may trust.
Source: Devlin, Chang, Lee and Toutanova, BERT: pre-training of deep bidirectional Transformers for language
understanding (2019), section 3.1.
"""

from typing import Any

import torch
from lightning import LightningDataModule
from torch import Generator, Tensor

from zoo.core.errors import UsageError, between, whole
from zoo.core.seeding import mix
from zoo.data.loader import Loader, Tensors
from zoo.data.text import python_reference, read
from zoo.text.vocabulary import PAD, UNK, Vocabulary


def masked(words: Tensor, rate: float, mask: int, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
    """Words (N, T) with some covered, and those that were chosen, (N, T), with PAD at all other places.

    Args:
        rate: the probability of a word to be chosen.
        mask: the number of MASK, which is one more than that of the last word.
    """
    draw = torch.rand(words.shape, generator=generator, device=words.device)
    fate = torch.rand(words.shape, generator=generator, device=words.device)
    other = torch.randint(UNK + 1, mask, words.shape, generator=generator, device=words.device)
    chosen = draw < rate
    covered = torch.where(fate < 0.8, mask, torch.where(fate < 0.9, other, words))
    return torch.where(chosen, covered, words), torch.where(chosen, words, PAD)


class MaskedText(LightningDataModule):
    """Batches (words (N, T), some of them covered; the chosen words (N, T), PAD at all other places) of a text.

    The beginning of the text is for training, the next part for validation, and the last for the test.

    Args:
        path, val_fraction, test_fraction: as of `zoo.data.text.Text`.
        words: the size of the vocabulary: whole words, and pieces of rare ones (zoo/text/vocabulary.py).
        length: T, words a window.
        batch_size: N.
        rate: how many of the words are chosen.
        remask: choose other words in each epoch of the training; false: the same, as those of validation and test.
        seed: of the order of the windows, and of the words that are chosen.
    """

    def __init__(
        self,
        path: str | None = None,
        words: int = 2000,
        length: int = 64,
        batch_size: int = 32,
        rate: float = 0.15,
        remask: bool = True,
        val_fraction: float = 0.05,
        test_fraction: float = 0.05,
        seed: int = 0,
    ) -> None:
        super().__init__()
        whole("data.words", words, 300)
        whole("data.length", length, 2)
        whole("data.batch_size", batch_size, 1)
        between("data.rate", rate, 0, 1)
        between("data.val_fraction", val_fraction, 0, 1)
        between("data.test_fraction", test_fraction, 0, 1)
        between("data.val_fraction + data.test_fraction", val_fraction + test_fraction, 0, 1)
        self.path, self.words, self.length, self.batch_size = path, words, length, batch_size
        self.rate, self.remask, self.seed = rate, remask, seed
        self.val_fraction, self.test_fraction = val_fraction, test_fraction
        self.splits: dict[str, Tensors] = {}

    @property
    def facts(self) -> dict[str, Any]:
        """What a model needs to know of the data: arguments of its constructor."""
        return {"vocabulary": self.vocabulary.text}

    def setup(self, stage: str | None = None) -> None:
        if self.splits:
            return
        lines = (python_reference() if self.path is None else read(self.path)).splitlines()
        lines = [" ".join(line.split()) for line in lines if line.strip()]
        ends = [0, len(lines)]
        for share in (self.test_fraction, self.val_fraction):
            ends.insert(1, ends[1] - round(len(lines) * share))
        parts = {name: lines[ends[i] : ends[i + 1]] for i, name in enumerate(("train", "val", "test"))}
        self.vocabulary = Vocabulary.of_pieces(parts["train"], self.words)
        for place, (name, part) in enumerate(parts.items()):
            numbers = torch.tensor([word for line in self.vocabulary.encode_lines(part) for word in line])
            count = len(numbers) // self.length
            if not count:
                raise UsageError(
                    f"data.path={self.path}: its {name} part of {len(numbers)} words is shorter than a window of "
                    f"data.length={self.length}"
                )
            windows = numbers[: count * self.length].view(count, self.length)
            generator = torch.Generator().manual_seed(mix(self.seed, place))
            self.splits[name] = Tensors(*self._masked(windows, generator), windows)

    def _masked(self, windows: Tensor, generator: Generator | None = None) -> tuple[Tensor, Tensor]:
        return masked(windows, self.rate, len(self.vocabulary), generator)

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        covered, chosen, windows = batch
        training = self.trainer is not None and self.trainer.training
        return self._masked(windows) if training and self.remask else (covered, chosen)

    def train_dataloader(self) -> Loader:
        return Loader(self.splits["train"], self.batch_size, shuffle=True, seed=self.seed)

    def val_dataloader(self) -> Loader:
        return Loader(self.splits["val"], self.batch_size)

    def test_dataloader(self) -> Loader:
        return Loader(self.splits["test"], self.batch_size)

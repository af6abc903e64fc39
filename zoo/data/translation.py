"""The base class of pairs of texts, a source and its translation, in batches of about equal length."""

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.utils.data import Dataset
from torch.utils.data.distributed import DistributedSampler

from zoo.core.errors import UsageError, whole
from zoo.data.loader import Loader
from zoo.text.vocabulary import BOS, EOS, PAD, Vocabulary


class Sequences:
    """Sequences of different lengths, one after the other in a single tensor."""

    def __init__(self, sequences: Sequence[Sequence[int]]) -> None:
        self.values = torch.tensor(list(chain.from_iterable(sequences)), dtype=torch.int64)
        self.lengths = torch.tensor([len(sequence) for sequence in sequences], dtype=torch.int64)
        self.starts = self.lengths.cumsum(0) - self.lengths

    def padded(self, chosen: Tensor) -> Tensor:
        """The chosen sequences (N,), one a row, padded with PAD to the length of the longest."""
        lengths, starts = self.lengths[chosen, None], self.starts[chosen, None]
        place = torch.arange(int(lengths.max()))
        inside = place < lengths
        return torch.where(inside, self.values[(starts + place).where(inside, 0)], PAD)


class Pairs(Dataset):
    """Pairs of sources and targets; ``pairs[numbers]`` is a batch, (N, S) and (N, T)."""

    def __init__(self, sources: Sequences, targets: Sequences) -> None:
        self.sources, self.targets = sources, targets

    def __len__(self) -> int:
        return len(self.sources.lengths)

    def __getitem__(self, chosen: list[int]) -> tuple[Tensor, Tensor]:
        numbers = torch.tensor(chosen)
        return self.sources.padded(numbers), self.targets.padded(numbers)

    @property
    def lengths(self) -> Tensor:
        """The length of the longer sequence of each pair."""
        return torch.maximum(self.sources.lengths, self.targets.lengths)


class Buckets(DistributedSampler):
    """Samples batches of pairs of about equal length, each pair once.

    The pairs are sorted by length and cut into the largest batches with N · max(S, T) ≤ tokens. Shuffling changes the
    order of the batches, and that of pairs of equal length, so that batches differ from epoch to epoch. The number of
    batches and their sizes stay the same. Several processes share out the batches; where their number is not a multiple
    of the number of processes, some come twice.
    """

    def __init__(self, pairs: Pairs, *args: Any, tokens: int, **options: Any) -> None:
        self.lengths = pairs.lengths
        self.sizes = list(sizes(self.lengths.sort().values.tolist(), tokens))
        batches: Any = self.sizes  # a dataset, whose length alone is read
        super().__init__(batches, *args, **options)

    def __iter__(self) -> Iterator[Any]:
        order = torch.arange(len(self.lengths))
        if self.shuffle:
            generator = torch.Generator().manual_seed(self.seed + self.epoch)
            order = torch.randperm(len(self.lengths), generator=generator)
        order = order[self.lengths[order].argsort(stable=True)]
        batches = order.split(self.sizes)
        return (batches[number].tolist() for number in super().__iter__())


def sizes(lengths: list[int], tokens: int) -> Iterator[int]:
    """The sizes n ≥ 1 of the largest consecutive pieces of sorted lengths with n · (largest length) ≤ tokens."""
    begin = 0
    for end, length in enumerate(lengths):
        if (end + 1 - begin) * length > tokens and end > begin:
            yield end - begin
            begin = end
    if lengths:
        yield len(lengths) - begin


class TranslationData(LightningDataModule):
    """Batches (source (N, S), target (N, T)) of token numbers, padded with PAD.

    The source ends with EOS, the target starts with BOS and ends with EOS.

    Args:
        tokens: the largest number of tokens in a batch, on either side, with PAD.
        seed: of the order of the training pairs.

    A subclass gives ``metric``; ``load()``, the texts of each of the splits "train", "val" and "test"; and
    ``vocabularies(sources, targets)``, which are made from the training split.
    """

    metric: str

    def __init__(self, tokens: int, seed: int = 0) -> None:
        super().__init__()
        whole("data.tokens", tokens, 1)
        self.tokens, self.seed = tokens, seed
        self.splits: dict[str, Pairs] = {}

    def load(self) -> dict[str, tuple[list[str], list[str]]]:
        raise NotImplementedError

    def vocabularies(self, sources: list[str], targets: list[str]) -> tuple[Vocabulary, Vocabulary]:
        raise NotImplementedError

    @property
    def facts(self) -> dict[str, str]:
        """What a model needs to know of the data: arguments of its constructor."""
        return {
            "source_vocabulary": self.source_vocabulary.text,
            "target_vocabulary": self.target_vocabulary.text,
            "metric": self.metric,
        }

    def setup(self, stage: str | None = None) -> None:
        if self.splits:
            return
        texts = self.load()
        self.source_vocabulary, self.target_vocabulary = self.vocabularies(*texts["train"])
        for name, (sources, targets) in texts.items():
            self.splits[name] = Pairs(
                Sequences([[*line, EOS] for line in self.source_vocabulary.encode_lines(sources)]),
                Sequences([[BOS, *line, EOS] for line in self.target_vocabulary.encode_lines(targets)]),
            )
            longest = int(self.splits[name].lengths.max())
            if longest > self.tokens:
                raise UsageError(f"data.tokens={self.tokens}: one text of the {name} split alone has {longest}")

    def _loader(self, split: str) -> Loader:
        def buckets(*args: Any, **options: Any) -> Buckets:
            return Buckets(*args, tokens=self.tokens, **options)

        return Loader(self.splits[split], None, shuffle=split == "train", seed=self.seed, sampler=buckets)

    def train_dataloader(self) -> Loader:
        return self._loader("train")

    def val_dataloader(self) -> Loader:
        return self._loader("val")

    def test_dataloader(self) -> Loader:
        return self._loader("test")

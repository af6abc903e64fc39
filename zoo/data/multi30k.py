"""Multi30k: 31 000 English captions of images, with professional German translations; downloaded where absent.

Source: Elliott, Frank, Sima'an and Specia, Multi30K: multilingual English-German image descriptions (2016). For
non-commercial research and teaching only: its captions are those of Flickr30k.
"""

import gzip
import os
import tempfile
import zlib
from pathlib import Path
from typing import Any
from urllib.request import urlopen

from zoo.core.errors import UsageError, one_of, whole
from zoo.data.published import check_published
from zoo.data.text import read
from zoo.data.translation import TranslationData
from zoo.text.vocabulary import SPECIALS, Vocabulary

LANGUAGES = ("en", "de")
PARTS = {"train": "train", "val": "val", "test": "test_2016_flickr"}
FILES = tuple(f"{part}.{language}" for part in PARTS.values() for language in LANGUAGES)
SITE = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/raw"


class Multi30k(TranslationData):
    """29 000 pairs of sentences to train on, 1 014 to validate, and the 1 000 of 2016 to test.

    Args:
        data_dir: the files are in ``data_dir/multi30k``, as text, one sentence a line. They are downloaded to a
            temporary folder and moved there when complete, so that a broken download leaves nothing behind.
        source, target: "en" and "de", in either order.
        pieces: the number of tokens in a vocabulary, which is learned from the training sentences.
        shared: one vocabulary for both languages, or one for each.
        lowercase: capitals are read as small letters, and so the translations and their references have none.
        tokens, seed: see `TranslationData`.

    Raises UsageError, one line with the remedy, where the download fails, or a file is empty, not text, or has another
    number of lines than that of the other language.
    """

    metric = "bleu"

    def __init__(
        self,
        data_dir: str,
        source: str = "en",
        target: str = "de",
        pieces: int = 8000,
        shared: bool = True,
        lowercase: bool = False,
        tokens: int = 4096,
        **options: Any,
    ) -> None:
        super().__init__(tokens, **options)
        one_of("data.source", source, LANGUAGES)
        one_of("data.target", target, [language for language in LANGUAGES if language != source])
        whole("data.pieces", pieces, len(SPECIALS) + 1)
        self.folder = Path(data_dir) / "multi30k"
        self.source, self.target = source, target
        self.pieces, self.shared, self.lowercase = pieces, shared, lowercase

    def prepare_data(self) -> None:
        """Download the files that are missing."""
        missing = [name for name in FILES if not (self.folder / name).is_file()]
        if not missing:
            return
        name = missing[0]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder.parent) as whole_ones:
                for name in missing:
                    with urlopen(f"{SITE}/{name}.gz", timeout=60) as answer:
                        (Path(whole_ones) / name).write_bytes(gzip.decompress(answer.read()))
                    os.replace(Path(whole_ones) / name, self.folder / name)
        except (OSError, EOFError, zlib.error) as error:
            reason = " ".join(str(error).split())
            raise UsageError(
                f"{self.folder / name}: not there, and the download failed ({reason}); "
                f"go online and try again, or put {', '.join(FILES)} into {self.folder}"
            ) from error

    def load(self) -> dict[str, tuple[list[str], list[str]]]:
        return {name: self._aligned(part) for name, part in PARTS.items()}

    def _aligned(self, part: str) -> tuple[list[str], list[str]]:
        source, target = (self.folder / f"{part}.{language}" for language in (self.source, self.target))
        for path in (source, target):
            check_published(path)
        sources, targets = lines(source), lines(target)
        if len(sources) != len(targets):
            raise UsageError(
                f"{source} has {len(sources)} lines, but {target} has {len(targets)}; "
                "delete both, and the next run downloads them again"
            )
        return sources, targets

    def vocabularies(self, sources: list[str], targets: list[str]) -> tuple[Vocabulary, Vocabulary]:
        def learned(texts: list[str]) -> Vocabulary:
            return Vocabulary.of_pieces(texts, self.pieces, self.lowercase)

        if self.shared:
            both = learned(sorted(sources + targets))
            return both, both
        return learned(sources), learned(targets)


def lines(path: Path) -> list[str]:
    """The lines of a text file. Raises UsageError, which names the file and the remedy, for no text and empty lines."""
    remedy = "delete it, and the next run downloads it again"
    try:
        found = [line.strip() for line in read(str(path), key="").removesuffix("\n").split("\n")]
    except UsageError as error:
        raise UsageError(f"{error}; {remedy}") from None
    if "" in found:
        raise UsageError(f"{path}: line {found.index('') + 1} is empty; {remedy}")
    return found

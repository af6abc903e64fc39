"""Cora, CiteSeer and PubMed: papers, their words and citations; downloaded where absent.

Source: Sen et al., Collective classification in network data (2008); the splits of Yang, Cohen and Salakhutdinov,
Revisiting semi-supervised learning with graph embeddings (2016), which Kipf and Welling use (2017).
"""

import os
import tempfile
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import numpy as np
import torch

from zoo.core.errors import UsageError, one_of
from zoo.data.nodes import Graph, NodeData
from zoo.data.pickled import array, neighbours, read_pickled
from zoo.data.published import FILES, check_published

FIELDS = {
    "Cora": ("theory", "reinforcement", "genetic", "neural", "probabilistic", "case based", "rules"),
    "CiteSeer": ("agents", "AI", "databases", "IR", "ML", "HCI"),
    "PubMed": ("experimental", "type 1", "type 2"),
}
PARTS = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")
SITE = "https://github.com/kimiyoung/planetoid/raw/master/data"


class Citations(NodeData):
    """A citation graph `name`: 20 papers of each class to train, 500 to validate, 1 000 to test.

    The files are in ``data_dir/planetoid/<name>/raw``. They are downloaded into a temporary folder and moved there when
    complete; nothing else is written there. They are pickles, which are read (zoo/data/pickled.py) and never unpickled.
    Raises UsageError, one line with the remedy, where the download fails, or a file is damaged.
    """

    def __init__(self, data_dir: str, name: str = "Cora", **options: Any) -> None:
        one_of("data.name", name, FIELDS)
        super().__init__(**options)
        self.graph_name, self.classes = name, FIELDS[name]
        self.folder = Path(data_dir) / "planetoid" / name / "raw"

    @property
    def files(self) -> list[str]:
        return [f"ind.{self.graph_name.lower()}.{part}" for part in PARTS]

    def prepare_data(self) -> None:
        """Download the files that are missing."""
        missing = [name for name in self.files if not (self.folder / name).is_file()]
        if not missing:
            return
        name = missing[0]
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder.parent) as whole:
                for name in missing:
                    with urlopen(f"{SITE}/{name}", timeout=60) as answer:
                        (Path(whole) / name).write_bytes(answer.read())
                    os.replace(Path(whole) / name, self.folder / name)
        except (OSError, EOFError) as error:
            reason = " ".join(str(error).split())
            raise UsageError(
                f"{self.folder / name}: not there, and the download failed ({reason}); "
                f"go online and try again, or put the files {self.files[0]} … {self.files[-1]} into {self.folder}"
            ) from error

    def load(self) -> Graph:
        for name in self.files:
            if name in FILES:
                check_published(self.folder / name)
        x, tx, allx, y, ty, ally = (self._read(part, lambda path: array(read_pickled(path))) for part in PARTS[:6])
        graph = self._read("graph", lambda path: neighbours(read_pickled(path)))
        chosen = self._read("test.index", lambda path: np.array(path.read_text().split(), np.int64))

        # The papers of ally come first, the labelled ones of y at their head; then those to test, which tx and ty hold
        # in the order of their numbers. In CiteSeer some numbers are missing: papers without words, label and citation.
        first, count = len(allx), max(graph, default=0) + 1
        place = np.sort(chosen) - first
        fits = {
            "x": len(x) == len(y) <= len(ally) - 500,
            "allx": len(allx) == len(ally),
            "tx": len(tx) == len(ty) and x.shape[1:] == tx.shape[1:] == allx.shape[1:],
            "ty": y.shape[1:] == ty.shape[1:] == ally.shape[1:] == (len(self.classes),),
            "test.index": len(set(place)) == len(tx) and place.min() == 0 and place.max() == count - first - 1,
            "graph": len(graph) == count and min(graph) == 0,
        }
        for part, right in fits.items():
            if not right:
                raise self._damaged(part, "does not fit the other files")
        features, classes = np.zeros((count, x.shape[1]), np.float32), np.zeros((count, len(self.classes)), np.float32)
        features[:first], classes[:first] = allx, ally
        features[chosen], classes[chosen] = tx, ty
        edges = {(source, target) for source, others in graph.items() for target in others if source != target}
        masks = {split: torch.zeros(count, dtype=torch.bool) for split in ("train", "val", "test")}
        masks["train"][: len(y)] = masks["val"][len(y) : len(y) + 500] = masks["test"][chosen] = True
        return Graph(
            torch.from_numpy(features),
            torch.tensor(sorted(edges, key=lambda edge: edge[::-1])).T.contiguous(),  # by target, then source
            torch.from_numpy(classes.argmax(1)),
            masks,
        )

    def _read(self, part: str, read: Any) -> Any:
        try:
            return read(self.folder / f"ind.{self.graph_name.lower()}.{part}")
        except (OSError, ValueError) as error:
            raise self._damaged(part, f"truncated or corrupt ({error})") from error

    def _damaged(self, part: str, how: str) -> UsageError:
        path = self.folder / f"ind.{self.graph_name.lower()}.{part}"
        return UsageError(f"{path}: {how}; delete it, and the next run downloads it again")

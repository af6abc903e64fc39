"""Cora, CiteSeer and PubMed: papers, their words and citations; downloaded by torch_geometric where absent.

Source: Sen et al., Collective classification in network data (2008); the splits of Yang, Cohen and Salakhutdinov,
Revisiting semi-supervised learning with graph embeddings (2016), which Kipf and Welling use (2017).
"""

import os
import tempfile
from pathlib import Path
from typing import Any

from zoo.core.errors import UsageError, one_of
from zoo.data.nodes import Graph, NodeData

FIELDS = {
    "Cora": ("theory", "reinforcement", "genetic", "neural", "probabilistic", "case based", "rules"),
    "CiteSeer": ("agents", "AI", "databases", "IR", "ML", "HCI"),
    "PubMed": ("experimental", "type 1", "type 2"),
}
PARTS = ("x", "tx", "allx", "y", "ty", "ally", "graph", "test.index")


class Citations(NodeData):
    """A citation graph `name`: 20 papers of each class to train, 500 to validate, 1 000 to test.

    The files are in ``data_dir/planetoid/<name>/raw``. They are downloaded into a temporary folder and moved there when
    complete; nothing else is written there. Raises UsageError, one line with the remedy, where torch_geometric is not
    installed, the download fails, or a file is damaged.
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
        try:
            from torch_geometric.datasets import Planetoid

            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder.parent) as whole:
                Planetoid(whole, self.graph_name)
                for name in missing:
                    os.replace(Path(whole) / self.graph_name / "raw" / name, self.folder / name)
        except ImportError as error:
            raise UsageError(f"data={self.graph_name}: needs torch_geometric; pip install -e '.[dev]'") from error
        except Exception as error:  # of the network, the file system or an unfinished file
            reason = " ".join(str(error).split())
            raise UsageError(
                f"{self.folder / missing[0]}: not there, and the download failed ({reason}); "
                f"go online and try again, or put the files {self.files[0]} … {self.files[-1]} into {self.folder}"
            ) from error

    def load(self) -> Graph:
        try:
            from torch_geometric.io import read_planetoid_data
        except ImportError as error:
            raise UsageError(f"data={self.graph_name}: needs torch_geometric; pip install -e '.[dev]'") from error
        try:
            data = read_planetoid_data(str(self.folder), self.graph_name)
        except Exception as error:  # pickles, so that a damaged file raises anything
            raise UsageError(
                f"{self.folder}: a file is truncated or corrupt; delete them, and the next run downloads them again"
            ) from error
        splits = {split: data[f"{split}_mask"] for split in ("train", "val", "test")}
        return Graph(data.x, data.edge_index, data.y, splits)

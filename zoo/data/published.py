"""The published files of data sets: a file of the same name and size with other contents is damaged."""

import hashlib
from pathlib import Path

from zoo.core.errors import UsageError

FILES = {  # name: (size in bytes, the first half of its SHA-256)
    "t10k-images-idx3-ubyte": (7840016, "0fa7898d509279e482958e8ce81c8e77"),
    "t10k-labels-idx1-ubyte": (10008, "ff7bcfd416de33731a308c3f266cc351"),
    "train-images-idx3-ubyte": (47040016, "ba891046e6505d7aadcbbe25680a0738"),
    "train-labels-idx1-ubyte": (60008, "65a50cbbf4e906d70832878ad85ccda5"),
    "test_2016_flickr.de": (70649, "4be6b5b3236b79c25475c6bb829800a7"),
    "test_2016_flickr.en": (62076, "399a4382932c1aadd3ceb9bef1008d38"),
    "train.de": (2110398, "2c2b73fd2b548fbcde3a875e0a78d6ee"),
    "train.en": (1801238, "460a15fbd157e34a7a9957ee388c1ca2"),
    "val.de": (75981, "660e09eb7e1da2f856ea13ee5ad3cf6d"),
    "val.en": (63297, "1f2a23d992769b5b3d209b0a10dd0b77"),
    "ind.citeseer.allx": (595021, "2ac30345d95c9ec933a817ee0bdd6a5f"),
    "ind.citeseer.ally": (55623, "f704b2d986dde6c2669934de1f3ae569"),
    "ind.citeseer.graph": (61987, "d79a4ef9d3e7169aee8946145f6b7306"),
    "ind.citeseer.test.index": (5000, "2af990671580b6b2df5d158d1038f829"),
    "ind.citeseer.tx": (260321, "539a8906a2da97628d212f2fdd668c10"),
    "ind.citeseer.ty": (24135, "55e5bd1ba1e733a04598753ad1a8d579"),
    "ind.citeseer.x": (31087, "d20de19150741e555de0ed037195630f"),
    "ind.citeseer.y": (3014, "8ba87e515d8e3ee3cf52f6d2c5b86aa7"),
    "ind.cora.allx": (257305, "9419ba2f26f5c35243db64aba110e0f3"),
    "ind.cora.ally": (47959, "2b998f5cc7fedc86e7f97ca2498f47a1"),
    "ind.cora.graph": (59847, "58f13302f39dde8852dad6fe6d15b89b"),
    "ind.cora.test.index": (5000, "297ce89af2b51a6a194181c7dbe1796c"),
    "ind.cora.tx": (148025, "b9afbaa4a400df991f6f02ef677e1e44"),
    "ind.cora.ty": (28135, "41f5ac76596a1699cc33f53084a2419e"),
    "ind.cora.x": (22119, "23cfa55d91c6f624233f5eb7b6e3f141"),
    "ind.cora.y": (4054, "94465c14eb53e04ca262198dcbb2521e"),
}


def check_published(path: Path) -> None:
    """Raise UsageError, one line with the remedy, for a file that has the published size, but not the contents.

    Files of another size are one's own, or truncated, which their format shows.
    """
    size, wanted = FILES[path.name]
    if path.stat().st_size == size and not hashlib.sha256(path.read_bytes()).hexdigest().startswith(wanted):
        raise UsageError(
            f"{path}: damaged, since its SHA-256 is not that of the published file; "
            "delete it, and the next run downloads it again"
        )

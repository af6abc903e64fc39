"""MNIST and Fashion-MNIST through torchvision, downloaded where absent, checked before use.

Sources: LeCun, Cortes and Burges, The MNIST database of handwritten digits (1998); Xiao, Rasul and Vollgraf,
Fashion-MNIST: a novel image dataset for benchmarking machine learning algorithms (2017).
"""

import os
import socket
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sklearn.model_selection import train_test_split
from torch.nn.functional import pad
from torchvision import datasets
from torchvision.datasets.mnist import read_image_file, read_label_file

from zoo.core.errors import UsageError, between, one_of
from zoo.data.images import ImageData, Images
from zoo.data.published import check_published

FILES = tuple(f"{part}-{kind}-ubyte" for part in ("train", "t10k") for kind in ("images-idx3", "labels-idx1"))


class MNISTData(ImageData):
    """60 000 training images, of which a `val_fraction` is for validation, and 10 000 to test.

    These are drawn by class, once and for all (`validate`="stratified"), or the last ones of the file, as in Keras
    ("last").

    Images have 28 × 28 pixels, or 32 × 32 with a black border, as in the paper of LeNet-5. The files are in
    ``data_dir/MNIST/raw``. They are downloaded into a temporary folder and moved there when complete, so that a broken
    download leaves nothing behind. Raises UsageError, one line with the remedy, where the download fails or a file is
    truncated or corrupt.
    """

    dataset: type[datasets.MNIST] = datasets.MNIST
    classes = tuple("0123456789")
    mean, deviation = 0.1307, 0.3081  # of the training pictures

    def __init__(
        self,
        data_dir: str,
        image_size: int = 28,
        val_fraction: float = 0.1,
        validate: str = "stratified",
        **options: Any,
    ) -> None:
        one_of("data.image_size", image_size, (28, 32))
        super().__init__(image_size, **options)
        between("data.val_fraction", val_fraction, 1e-4, 1)
        self.folder = Path(data_dir) / self.dataset.__name__ / "raw"
        one_of("data.validate", validate, ("stratified", "last"))
        self.val_fraction, self.validate = val_fraction, validate

    def prepare_data(self) -> None:
        """Download the files that are missing."""
        missing = [name for name in FILES if not (self.folder / name).is_file()]
        if not missing:
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self.folder.parent) as whole, impatient(seconds=60):
                self.dataset(whole, download=True)
                for name in missing:
                    os.replace(Path(whole) / self.dataset.__name__ / "raw" / name, self.folder / name)
        except (OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise UsageError(
                f"{self.folder / missing[0]}: not there, and the download failed ({reason}); "
                f"go online and try again, or put the four files of {self.dataset.__name__} into {self.folder}"
            ) from error

    def load(self) -> dict[str, Images]:
        rest, test = self._read("train"), self._read("t10k")
        indices = range(len(rest.labels))
        if self.validate == "last":
            first = round(len(indices) * (1 - self.val_fraction))
            train, val = indices[:first], indices[first:]
        else:
            try:
                train, val = train_test_split(
                    indices, test_size=self.val_fraction, stratify=rest.labels, random_state=0
                )
            except ValueError as error:
                raise UsageError(
                    f"data.val_fraction={self.val_fraction}: a part of {len(indices)} pictures lacks a class"
                ) from error
        return {
            "train": Images(*(part[train] for part in rest)),
            "val": Images(*(part[val] for part in rest)),
            "test": test,
        }

    def _read(self, part: str) -> Images:
        image_file, label_file = (self.folder / name for name in FILES if name.startswith(part))
        if self.dataset is datasets.MNIST:
            for path in (image_file, label_file):
                check_published(path)
        pictures, labels = read_whole(image_file, read_image_file), read_whole(label_file, read_label_file)
        if len(pictures) != len(labels):
            raise UsageError(
                f"{label_file}: {len(labels)} labels, but {image_file.name} has {len(pictures)} pictures; "
                "delete both, and the next run downloads them again"
            )
        border = (self.image_size - 28) // 2
        return Images(pad(pictures[:, None].float() / 255, [border] * 4), labels)


class FashionMNISTData(MNISTData):
    """Clothes instead of digits, in the same format; the arguments are those of `MNISTData`."""

    dataset = datasets.FashionMNIST
    classes = tuple(datasets.FashionMNIST.classes)
    mean, deviation = 0.2860, 0.3530


def read_whole(path: Path, read: Any) -> Any:
    """Read an IDX file. Raises UsageError, which names the file and the remedy, for a truncated or corrupt one."""
    try:
        return read(path)
    except (OSError, AssertionError, RuntimeError, ValueError, TypeError, KeyError) as error:
        raise UsageError(f"{path}: truncated or corrupt; delete it, and the next run downloads it again") from error


@contextmanager
def impatient(seconds: float) -> Any:
    """Let no connection hang for longer than `seconds`."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)

"""The base class of image data: splits, checks, normalisation, augmentation, loaders."""

from typing import Any, NamedTuple

import torch
from lightning import LightningDataModule
from torch import Tensor
from torch.nn.functional import affine_grid, grid_sample

from zoo.core.errors import UsageError, at_least, between, one_of, whole
from zoo.data.loader import Loader, Tensors

PIXELS = ("standardised", "unit", "raw")


class Images(NamedTuple):
    """Pictures (N, channels, size, size) in [0, 1] and their class numbers (N,)."""

    pictures: Tensor
    labels: Tensor


class ImageData(LightningDataModule):
    """Training, validation and test images as batches (pictures (N, C, S, S) float, class numbers (N,)).

    Args:
        batch_size: images a step, in each process.
        seed: of the order of the training images.
        rotate, scale, shift: each training image is rotated by up to ± this many degrees, resized by up to ± this
            fraction, and moved by up to ± this many pixels, drawn anew at every step. 0 for none.
        pixels: "standardised" (mean 0, deviation 1), "unit" (from 0 to 1) or "raw" (from 0 to 255).

    A subclass gives ``classes``, ``channels``, ``mean``, ``deviation`` and ``load() -> {"train": Images, ...}``.
    """

    classes: tuple[str, ...]
    channels = 1
    mean: float
    deviation: float

    def __init__(
        self,
        image_size: int,
        batch_size: int = 64,
        seed: int = 0,
        rotate: float = 0.0,
        scale: float = 0.0,
        shift: float = 0.0,
        pixels: str = "standardised",
    ) -> None:
        super().__init__()
        whole("data.batch_size", batch_size, 1)
        whole("data.image_size", image_size, 1)
        at_least("data.rotate", rotate, 0)
        between("data.scale", scale, 0, 1)
        at_least("data.shift", shift, 0)
        one_of("data.pixels", pixels, PIXELS)
        self.image_size, self.batch_size, self.seed = image_size, batch_size, seed
        self.rotate, self.scale, self.shift, self.pixels = rotate, scale, shift, pixels
        self.splits: dict[str, Images] = {}

    @property
    def facts(self) -> dict[str, int]:
        """What a model needs to know of the data: arguments of its constructor."""
        return {"image_size": self.image_size, "channels": self.channels, "num_classes": len(self.classes)}

    def load(self) -> dict[str, Images]:
        """The splits "train", "val" and "test", from memory, disk or the network."""
        raise NotImplementedError

    def setup(self, stage: str | None = None) -> None:
        if self.splits:
            return
        splits = self.load()
        for name, (pictures, labels) in splits.items():
            self._check(name, pictures, labels)
        self.splits = splits

    def _check(self, split: str, pictures: Tensor, labels: Tensor) -> None:
        name = f"data={type(self).__name__}, {split} split"
        if pictures.shape[1:] != (self.channels, self.image_size, self.image_size):
            raise UsageError(
                f"{name}: pictures of shape {tuple(pictures.shape[1:])}; "
                f"data.image_size={self.image_size} asks for {(self.channels, self.image_size, self.image_size)}"
            )
        if len(pictures) != len(labels):
            raise UsageError(f"{name}: {len(pictures)} pictures but {len(labels)} labels")
        if len(pictures) == 0:
            raise UsageError(f"{name}: no pictures")
        wrong = labels[(labels < 0) | (labels >= len(self.classes))]
        if len(wrong):
            raise UsageError(f"{name}: label {int(wrong[0])} out of range; legal are 0 to {len(self.classes) - 1}")
        if not torch.isfinite(pictures).all():
            raise UsageError(f"{name}: a picture holds NaN or infinity")

    def normalise(self, pictures: Tensor) -> Tensor:
        """The images as `pixels` says; standardised with the mean and deviation of the training data."""
        if self.pixels == "standardised":
            return (pictures - self.mean) / self.deviation
        return 255 * pictures if self.pixels == "raw" else pictures

    def on_after_batch_transfer(self, batch: Any, dataloader_idx: int) -> Any:
        """Augment (in training) and normalise, on the device; the loader draws no random numbers, see `Loader`."""
        pictures, labels = batch
        if self.trainer is not None and self.trainer.training:
            pictures = distort(pictures, self.rotate, self.scale, self.shift)
        return self.normalise(pictures), labels

    def _loader(self, split: str) -> Loader:
        dataset = Tensors(*self.splits[split])
        return Loader(dataset, self.batch_size, shuffle=split == "train", seed=self.seed)

    def train_dataloader(self) -> Loader:
        return self._loader("train")

    def val_dataloader(self) -> Loader:
        return self._loader("val")

    def test_dataloader(self) -> Loader:
        return self._loader("test")


def distort(pictures: Tensor, rotate: float, scale: float, shift: float) -> Tensor:
    """Rotate, resize and move each image (N, C, S, S) by a random amount of its own; pixels from outside are black.

    The grid maps each new pixel to the point of the old picture it is read from (bilinear):
    x_old = (R(angle) / zoom) x_new + move, in coordinates that run from −1 to 1.
    """
    if not (rotate or scale or shift):
        return pictures
    count, size = len(pictures), pictures.shape[-1]
    angle, zoom, move_x, move_y = 2 * torch.rand(4, count, device=pictures.device, dtype=pictures.dtype) - 1
    angle = angle * (rotate * torch.pi / 180)
    zoom = 1 + scale * zoom
    cos, sin = angle.cos() / zoom, angle.sin() / zoom
    move_x, move_y = (2 * shift / size) * move_x, (2 * shift / size) * move_y
    theta = torch.stack([cos, -sin, move_x, sin, cos, move_y], dim=1).view(count, 2, 3)
    return grid_sample(pictures, affine_grid(theta, list(pictures.shape), align_corners=False), align_corners=False)

"""A network of radial basis functions: bell curves around centres in the space of images, and a linear map on top.

φ_k = exp(−|x − c_k|² / 2w_k²),  logits = W φ + b. Each hidden unit responds to one region of the space, whereas a unit
of a perceptron divides the whole space.
Source: Moody and Darken, Fast learning in networks of locally-tuned processing units (1989).
"""

from math import prod
from typing import Any

import torch
from sklearn.cluster import KMeans
from torch import Tensor
from torch.nn import Sequential

from zoo.base.classifier import Classifier
from zoo.core.errors import UsageError, one_of, whole
from zoo.core.namespace import Namespace


class RBF(Classifier):
    """`units` radial basis functions of (N, channels, image_size, image_size), output logits (N, num_classes).

    Args:
        centres: "kmeans" for the means of the training images that scikit-learn finds, with the distance to the
            nearest other centre as width; or "random".
        learned: train centres and widths as well, and not only the linear map.
    """

    def __init__(
        self,
        layers: str = "zoo.layers",
        units: int = 100,
        centres: str = "kmeans",
        learned: bool = False,
        image_size: int = 32,
        channels: int = 1,
        num_classes: int = 10,
        **training: Any,
    ) -> None:
        super().__init__(layers, num_classes, **training)
        self.save_hyperparameters(ignore=list(training))
        whole("model.units", units, 2)
        one_of("model.centres", centres, ("kmeans", "random"))
        nn = Namespace(layers)
        inputs = prod((channels, image_size, image_size))
        self.centres = centres
        self.basis = nn.RadialBasis(inputs, units)
        self.basis.requires_grad_(learned)
        with torch.no_grad():
            self.basis.width.fill_(inputs**0.5)  # the distance of two random images
        self.network = Sequential(nn.Flatten(), self.basis, nn.Linear(units, num_classes))

    def check(self, data: Any) -> None:
        units, pictures = len(self.basis.centres), len(data.splits["train"].pictures)
        if self.centres == "kmeans" and units > pictures:
            raise UsageError(f"model.units={units}: must be at most {pictures}, the number of pictures")

    def setup(self, stage: str) -> None:
        """Place the centres before a run begins. Lightning calls this before it loads a checkpoint to resume from."""
        if stage == "fit" and self.centres == "kmeans":
            data = self.trainer.datamodule  # type: ignore[attr-defined]
            self.place(data.normalise(data.splits["train"].pictures))

    @torch.no_grad()
    def place(self, pictures: Tensor) -> None:
        """Put the centres at the means of the images, with the distance to the nearest other centre as width."""
        seed = torch.initial_seed() % 2**32
        means = KMeans(len(self.basis.centres), n_init=1, random_state=seed).fit(pictures.flatten(1).numpy())
        centres = torch.from_numpy(means.cluster_centers_)
        far = torch.cdist(centres, centres).fill_diagonal_(torch.inf)
        self.basis.centres.copy_(centres)
        self.basis.width.copy_(far.amin(1))

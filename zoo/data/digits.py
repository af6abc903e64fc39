"""The 1 797 handwritten digits that come with scikit-learn: real data without a download.

Source: Alpaydin and Kaynak, Optical recognition of handwritten digits, UCI (1998): 8 × 8 pictures, 17 grey levels.
"""

from typing import Any

import torch
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from torch.nn.functional import interpolate

from zoo.data.images import ImageData, Images


class Digits(ImageData):
    """Digits resized (bilinearly) to `image_size`: 1 257 to train, 180 to validate, 360 to test.

    The split is stratified by class, and the same for every seed.
    """

    classes = tuple("0123456789")
    mean, deviation = 0.305, 0.376  # of the 8 × 8 pictures

    def __init__(self, image_size: int = 32, **options: Any) -> None:
        super().__init__(image_size, **options)

    def load(self) -> dict[str, Images]:
        digits = load_digits()
        small = torch.tensor(digits.images, dtype=torch.float32)[:, None] / 16
        size = (self.image_size, self.image_size)
        pictures = interpolate(small, size, mode="bilinear", align_corners=False)
        labels = torch.tensor(digits.target)
        rest, test = train_test_split(range(len(labels)), test_size=360, stratify=labels, random_state=0)
        train, val = train_test_split(rest, test_size=180, stratify=labels[rest], random_state=0)
        split = {"train": train, "val": val, "test": test}
        return {name: Images(pictures[chosen], labels[chosen]) for name, chosen in split.items()}

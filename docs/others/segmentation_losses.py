"""The losses of segmentation_models_pytorch. Two of them are torch's; the others are held against themselves."""

from typing import Any

from segmentation_models_pytorch.losses import (  # noqa: F401
    DiceLoss,
    FocalLoss,
    JaccardLoss,
    LovaszLoss,
    MCCLoss,
    SoftBCEWithLogitsLoss,
    SoftCrossEntropyLoss,
    TverskyLoss,
)
from torch import nn

from scratch.testing import case, integers, normal, uniform

CLASSES = [normal(2, 3, 4, 4), integers(3, 2, 4, 4)]
CERTAIN = [uniform(2, 1, 4, 4), integers(2, 2, 1, 4, 4)]
SOFT = [normal(2, 1, 4, 4), uniform(2, 1, 4, 4)]
MASKS = [normal(2, 1, 4, 4), integers(2, 2, 1, 4, 4)]


def smoothed(smooth_factor: float | None = None, **options: Any) -> nn.Module:
    return nn.CrossEntropyLoss(label_smoothing=smooth_factor or 0.0, **options)


CASES = [
    case("SoftCrossEntropyLoss", inputs=CLASSES).but(reference=smoothed),
    case("SoftCrossEntropyLoss", ignore_index=1, inputs=CLASSES).but(reference=smoothed),
    case("SoftCrossEntropyLoss", smooth_factor=0.1, inputs=CLASSES).but(reference=smoothed),
    case("SoftCrossEntropyLoss", smooth_factor=0.1, ignore_index=1, inputs=CLASSES).but(reference=smoothed),
    case("SoftBCEWithLogitsLoss", inputs=SOFT).but(reference=nn.BCEWithLogitsLoss, constant=(1,)),
    case("SoftBCEWithLogitsLoss", reduction="sum", inputs=SOFT).but(reference=nn.BCEWithLogitsLoss, constant=(1,)),
    case("JaccardLoss", "multiclass", inputs=CLASSES),
    case("JaccardLoss", "binary", inputs=MASKS),
    case("DiceLoss", "multiclass", inputs=CLASSES),
    case("DiceLoss", "binary", ignore_index=255, inputs=MASKS),
    case("TverskyLoss", "multiclass", alpha=0.3, beta=0.7, gamma=1.5, inputs=CLASSES),
    case("FocalLoss", "multiclass", inputs=CLASSES),
    case("FocalLoss", "binary", alpha=0.25, inputs=MASKS),
    case("LovaszLoss", "multiclass", inputs=CLASSES),
    case("LovaszLoss", "binary", inputs=MASKS),
    case("MCCLoss", inputs=CERTAIN),
]

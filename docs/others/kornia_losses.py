"""The losses of kornia. Torch has none of them: some are held against a formula, the others against themselves."""

from functools import partial

import torch
from kornia.losses import (  # noqa: F401
    BinaryFocalLossWithLogits,
    CauchyLoss,
    CharbonnierLoss,
    DiceLoss,
    FocalLoss,
    GemanMcclureLoss,
    InverseDepthSmoothnessLoss,
    LovaszHingeLoss,
    LovaszSoftmaxLoss,
    PSNRLoss,
    SSIMLoss,
    TotalVariation,
    TverskyLoss,
    WelschLoss,
)
from torch import Tensor, nn

from scratch.testing import case, integers, normal, uniform

PAIR = [normal(2, 3, 4, 4), normal(2, 3, 4, 4)]
IMAGES = [uniform(1, 1, 5, 5), uniform(1, 1, 5, 5)]
CLASSES = [normal(2, 3, 4, 4), integers(3, 2, 4, 4)]


class Formula(nn.Module):
    def __init__(self, function: object, *args: object, **kwargs: object) -> None:
        super().__init__()
        self.forward = function


def focal(x: Tensor, t: Tensor) -> Tensor:
    log_p = x.log_softmax(1)
    return -nn.functional.one_hot(t, 3).movedim(-1, 1) * (1 - log_p.exp()) ** 2 * log_p


def of(function: object) -> object:
    return partial(Formula, function)


CASES = [
    case("CharbonnierLoss", inputs=PAIR).but(reference=of(lambda x, t: ((x - t) ** 2 + 1).sqrt() - 1)),
    case("CauchyLoss", inputs=PAIR).but(reference=of(lambda x, t: (0.5 * (x - t) ** 2 + 1).log())),
    case("GemanMcclureLoss", inputs=PAIR).but(reference=of(lambda x, t: 2 * (x - t) ** 2 / ((x - t) ** 2 + 4))),
    case("WelschLoss", inputs=PAIR).but(reference=of(lambda x, t: 1 - torch.exp(-0.5 * (x - t) ** 2))),
    case("PSNRLoss", 1.0, inputs=IMAGES).but(reference=of(lambda x, t: 10 * nn.functional.mse_loss(x, t).log10())),
    case("TotalVariation", inputs=[normal(2, 3, 4, 4)]).but(
        reference=of(lambda x: x.diff(dim=-1).abs().sum((2, 3)) + x.diff(dim=-2).abs().sum((2, 3)))
    ),
    case("FocalLoss", None, inputs=CLASSES).but(reference=of(focal)),
    case("FocalLoss", 0.5, 1.5, "mean", inputs=CLASSES),
    case("BinaryFocalLossWithLogits", 0.25, inputs=[normal(2, 3, 4), integers(2, 2, 3, 4)]),
    case("DiceLoss", inputs=CLASSES),
    case("DiceLoss", "macro", inputs=CLASSES),
    case("TverskyLoss", 0.3, 0.7, inputs=CLASSES),
    case("SSIMLoss", 3, inputs=IMAGES),
    case("LovaszSoftmaxLoss", inputs=CLASSES),
    case("LovaszHingeLoss", inputs=[normal(2, 1, 4, 4), integers(2, 2, 4, 4)]),
    case("InverseDepthSmoothnessLoss", inputs=[uniform(1, 1, 4, 4), uniform(1, 3, 4, 4)]),
]

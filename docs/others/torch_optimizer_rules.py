"""The rules of torch_optimizer under torch.optim's names, and those that torch has not."""

from adabelief_pytorch import AdaBelief as Authors
from torch.optim import SGD, Adam
from torch_optimizer import QHM, SGDW, AccSGD, AdaBelief, QHAdam, RAdam  # noqa: F401

from scratch.testing import optimizer_case


def authors(params: object, lr: float) -> Authors:
    return Authors(params, lr, eps=1e-8, weight_decouple=False, rectify=False, print_change_log=False)


CASES = [
    optimizer_case("SGDW", lr=0.1, momentum=0.9).but(reference=SGD),
    optimizer_case("AdaBelief", lr=0.01).but(reference=authors),
    optimizer_case("QHAdam", lr=0.01).but(reference=Adam),  # ν₁ = ν₂ = 1 is Adam
    optimizer_case("QHM", lr=0.1, nu=0.0).but(reference=lambda params, lr, nu: SGD(params, lr)),
]

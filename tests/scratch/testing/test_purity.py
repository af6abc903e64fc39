"""``scratch`` computes with primitive operations only, and the audit that says so sees every native kernel."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn import Parameter

from scratch.testing import PURITY_CHECKS, Audit, Case, Check, Impure, OptimizerCase
from scratch.testing.cases import CASES
from scratch.testing.cases import optim as optimizers
from tests.conftest import case_parameters

pytestmark = pytest.mark.usefixtures("one_thread")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if metafunc.function is test_case:
        impl, reference = (metafunc.config.getoption(option) for option in ("--impl", "--reference"))
        metafunc.parametrize(("case", "check"), case_parameters(CASES, PURITY_CHECKS, impl, reference))


def test_case(case: Case, check: Check, impl: str, reference: str) -> None:
    check(case, impl, reference)


@pytest.mark.parametrize("case", optimizers.CASES, ids=str)
def test_optimizer(case: OptimizerCase, optim: str) -> None:
    PURITY_CHECKS["purity"](case, optim, "torch.optim")


image, rows = (2, 4, 6, 6), (5, 4)


def classes() -> Tensor:
    return torch.tensor([0, 1, 2, 3, 0])


NATIVE: dict[str, tuple[tuple[int, ...], Callable[[Tensor], Tensor]]] = {
    "convolution": (image, lambda x: F.conv2d(x, torch.ones(3, 4, 3, 3))),
    "convolution ": (image, lambda x: F.conv_transpose2d(x, torch.ones(4, 3, 3, 3))),
    "max_pool2d_with_indices": (image, lambda x: F.max_pool2d(x, 2)),
    "avg_pool2d": (image, lambda x: F.avg_pool2d(x, 2)),
    "_adaptive_avg_pool2d": (image, lambda x: F.adaptive_avg_pool2d(x, 2)),
    "_convolution_pointwise": (
        image,
        lambda x: torch.ops.mkldnn._convolution_pointwise(
            x.detach(), torch.ones(3, 4, 3, 3), None, [0, 0], [1, 1], [1, 1], 1, "none", [], ""
        ),
    ),
    "_linear_pointwise": (
        rows,
        lambda x: torch.ops.mkldnn._linear_pointwise(x.detach(), torch.ones(3, 4), None, "relu", [], ""),
    ),
    "im2col": (image, lambda x: F.unfold(x, 3)),
    "reflection_pad2d": (image, lambda x: F.pad(x, (1, 1, 1, 1), "reflect")),
    "upsample_nearest2d": (image, lambda x: F.interpolate(x, scale_factor=2)),
    "_softmax": (rows, lambda x: x.softmax(-1)),
    "_log_softmax": (rows, lambda x: x.log_softmax(-1)),
    "logsumexp": (rows, lambda x: x.logsumexp(-1)),
    "native_layer_norm": (rows, lambda x: F.layer_norm(x, (4,))),
    "native_group_norm": (image, lambda x: F.group_norm(x, 2)),
    "native_batch_norm": (image, lambda x: F.batch_norm(x, None, None, training=True)),
    "embedding": (rows, lambda x: F.embedding(classes() % 5, x)),
    "native_dropout": (rows, lambda x: torch.native_dropout(x, 0.5, True)[0]),
    "gelu": (rows, F.gelu),
    "relu": (rows, F.relu),
    "leaky_relu": (rows, F.leaky_relu),
    "elu": (rows, F.elu),
    "softplus": (rows, F.softplus),
    "silu": (rows, F.silu),
    "log_sigmoid_forward": (rows, F.logsigmoid),
    "hardtanh": (rows, F.hardtanh),
    "nll_loss_forward": (rows, lambda x: F.nll_loss(x, classes())),
    "mse_loss": (rows, lambda x: F.mse_loss(x, torch.zeros(rows))),
    "smooth_l1_loss": (rows, lambda x: F.smooth_l1_loss(x, torch.zeros(rows))),
    "binary_cross_entropy_with_logits": (
        rows,
        lambda x: F.binary_cross_entropy_with_logits(x, torch.zeros(rows)),
    ),
    "attention": (image, lambda x: F.scaled_dot_product_attention(x, x, x)),
    # in the forward pass these are primitive, but autograd then differentiates with a kernel of its own
    "tanh_backward": (rows, torch.tanh),
    "sigmoid_backward": (rows, torch.sigmoid),
    "unfold_backward": (rows, lambda x: x.unfold(1, 2, 1)),
}


@pytest.mark.parametrize("kernel", NATIVE)
def test_native_kernels_are_refused(kernel: str) -> None:
    shape, function = NATIVE[kernel]
    x = torch.randn(shape, generator=torch.Generator().manual_seed(0), requires_grad=True)
    with pytest.raises(Impure, match=kernel.strip()), Audit():
        function(x).sum().backward()


@pytest.mark.parametrize("layer", ["LSTM", "GRU", "RNN"])
def test_native_recurrent_layers_are_refused(layer: str) -> None:
    module = getattr(torch.nn, layer)(4, 3)
    with pytest.raises(Impure), Audit():
        module(torch.ones(5, 2, 4))[0].sum().backward()


def test_fused_optimizers_are_refused() -> None:
    weight = Parameter(torch.ones(3))
    weight.grad = torch.ones(3)
    with pytest.raises(Impure, match="_fused_adam_"), Audit():
        torch.optim.Adam([weight], fused=True).step()


def test_a_native_layer_inside_a_function_is_refused() -> None:
    class Smuggled(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, grad):
            return grad.softmax(-1)

    with pytest.raises(Impure, match="_softmax"), Audit():
        Smuggled.apply(torch.ones(3, requires_grad=True)).sum().backward()


def test_more_can_be_allowed() -> None:
    with Audit(also=frozenset({"relu"})):
        torch.ones(3).relu()

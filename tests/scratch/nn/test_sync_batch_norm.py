"""SyncBatchNorm on two processes computes what BatchNorm computes on both batches together."""

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor
from torch.autograd import forward_ad

from scratch.nn import BatchNorm1d, ReLU, SyncBatchNorm

SIZES = (3, 5)  # the processes' batches, of different sizes


def joint() -> tuple[Tensor, Tensor]:
    """A batch with a large mean, and an upstream gradient."""
    generator = torch.Generator().manual_seed(0)
    x, upstream = torch.randn(2, sum(SIZES), 4, 3, generator=generator, dtype=torch.float64)
    return x + 100, upstream


def results(layer: torch.nn.Module, x: Tensor, upstream: Tensor) -> dict[str, Tensor]:
    x = x.clone().requires_grad_()
    output = layer(x)
    weights = list(layer.parameters())
    first = torch.autograd.grad(output, [x, *weights], upstream, create_graph=True)
    (second,) = torch.autograd.grad((first[0] * x.detach().cos()).sum(), [x])
    with forward_ad.dual_level():  # of the output, and of the gradient
        dual = forward_ad.make_dual(x, upstream)
        output_dual = layer(dual)
        (grad_dual,) = torch.autograd.grad(output_dual, [dual], upstream, create_graph=True)
        tangent, curved = (forward_ad.unpack_dual(y).tangent.detach() for y in (output_dual, grad_dual))
    names = ("x", "weight", "bias")
    gradients = {name: grad.detach() for name, grad in zip(names, first, strict=True)}
    return {"output": output.detach(), "second": second, "tangent": tangent, "curved": curved, **gradients}


def prepared(layer: torch.nn.Module) -> torch.nn.Module:
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([1.0, -2.0, 0.5, 3.0]))
    return layer.double()


def work(rank: int, folder: str) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=2)
    layer = prepared(SyncBatchNorm(4))
    x, upstream = (t.split(SIZES)[rank] for t in joint())
    found = results(layer, x, upstream)
    torch.save((found, dict(layer.named_buffers())), f"{folder}/{rank}")
    dist.destroy_process_group()


@pytest.mark.slow
def test_two_processes_are_one_batch(tmp_path) -> None:
    mp.spawn(work, (str(tmp_path),), nprocs=2)
    parts, buffers = zip(*(torch.load(tmp_path / str(rank)) for rank in range(2)), strict=True)
    layer = prepared(BatchNorm1d(4))
    expected = results(layer, *joint())
    for name in ("output", "x", "second", "tangent", "curved"):
        together = torch.cat([part[name] for part in parts])
        torch.testing.assert_close(together, expected[name], rtol=1e-10, atol=1e-10)
    for name in ("weight", "bias"):  # of each process's own batch; adding them up is for who trains
        together = parts[0][name] + parts[1][name]
        torch.testing.assert_close(together, expected[name], rtol=1e-10, atol=1e-10)
    for found in buffers:
        torch.testing.assert_close(found, dict(layer.named_buffers()), rtol=1e-10, atol=1e-10)


def test_a_group_of_one_process(tmp_path) -> None:
    """The same without a second process, as quick as other tests: the sums over the group are all there."""
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/meet", rank=0, world_size=1)
    try:
        layer = prepared(BatchNorm1d(4))
        expected = results(layer, *joint())
        layer.group = lambda: dist.group.WORLD
        torch.testing.assert_close(results(layer, *joint()), expected, rtol=1e-10, atol=1e-10)
    finally:
        dist.destroy_process_group()


def test_conversion_shares_parameters_and_statistics() -> None:
    model = torch.nn.Sequential(BatchNorm1d(3, eps=0.1, momentum=None), torch.nn.Sequential(BatchNorm1d(2), ReLU()))
    model.eval()
    before = dict(model.state_dict(keep_vars=True))
    converted = SyncBatchNorm.convert_sync_batchnorm(model)
    assert [type(m).__name__ for m in converted.modules() if not list(m.children())] == [
        *("SyncBatchNorm", "SyncBatchNorm", "ReLU")
    ]
    after = converted.state_dict(keep_vars=True)
    assert all(after[name] is tensor for name, tensor in before.items())
    assert (converted[0].eps, converted[0].momentum, converted[0].training) == (0.1, None, False)


def test_a_checkpoint_from_before_batches_were_counted() -> None:
    layer = BatchNorm1d(3)
    old = {name: tensor for name, tensor in layer.state_dict().items() if name != "num_batches_tracked"}
    BatchNorm1d(3).load_state_dict(old, strict=True)

"""What a benchmark measures, by clocks and events that tell a known time."""

import json
import math
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from zoo.layers import GCNConv
from zoo.lenet import LeNet
from zoo.tools import benchmark
from zoo.tools.measure import Result, by_clock, by_events, interleaved, timer_for


class Machine:
    """A GPU that is asked to compute and does so later; the host is at once done with asking."""

    def __init__(self) -> None:
        self.asked = self.done = 0.0

    def task(self, seconds: float) -> None:
        self.asked += seconds

    def synchronize(self) -> None:
        self.done = self.asked

    def event(self, enable_timing: bool) -> "Event":
        assert enable_timing
        return Event(self)


class Event:
    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def record(self) -> None:
        self.at = self.machine.asked

    def elapsed_time(self, other: "Event") -> float:
        assert self.machine.done >= other.at, "the GPU has not come to this event"
        return 1e3 * (other.at - self.at)


def test_events():
    """The time of the task alone, though the GPU has more to do from before; and the host waits for its end."""
    gpu = Machine()
    gpu.task(5.0)
    timer = partial(by_events, event=gpu.event, synchronize=gpu.synchronize)
    assert timer(partial(gpu.task, 0.25)) == 0.25
    tasks = [partial(gpu.task, seconds) for seconds in (0.5, 0.125, 2.0)]
    assert interleaved(tasks, 0, timer) == (0.5, 0.125, 2.0)


def test_clock():
    now = iter((10.0, 10.5))
    assert by_clock(lambda: None, now=lambda: next(now)) == 0.5


def test_the_device_chooses():
    assert timer_for("cuda:0", "wall") is by_events
    assert timer_for("cpu", "cpu").func is by_clock


def test_ratios():
    result = Result("relu", 3.0, 2.0, 1.0, 0.5, compiled_milliseconds=1.5)
    assert (result.ratio, result.compiled_ratio, result.memory_ratio) == (1.5, 2.0, 2.0)
    assert math.isnan(Result("relu", 3.0, 2.0, 1.0, 0.5).compiled_ratio)


def test_short_tasks_are_measured_over_several_calls():
    """A task of 1/8 ms is called sixteen times in a turn, and so is the one beside it; the time is that of a call."""
    gpu, called = Machine(), []

    def timed(task):
        before = len(called)
        seconds = by_events(task, gpu.event, gpu.synchronize)
        turns.append(len(called) - before)
        return seconds

    def task(seconds):
        called.append(seconds)
        gpu.task(seconds)

    turns: list[int] = []
    tasks = [partial(task, 2**-13), partial(task, 2**-11)]
    assert interleaved(tasks, 0, timed) == (2**-13, 2**-11)
    assert turns == [1, 1] + [16] * 10


def test_implementations_beside(call, capfd, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    words = ["what=layers", "only=[tanh]", "seconds=0", "threads=1", "beside=[plain,native]", "json=rows.json"]
    assert call("benchmark", *words) == 0
    assert "…" not in capfd.readouterr().out  # a file has no edge, at which numbers would be cut off
    (row,) = json.loads(Path("rows.json").read_text())["results"]
    assert list(row["beside_ratio"]) == ["plain", "native"]
    assert all(ratio > 0 for ratio in row["beside_ratio"].values())
    assert call("benchmark", "beside=[plane]") == 2


def differentiated(output, *leaves):
    """The leaves, a gradient of the output, and those of the leaves"""
    grad = torch.randn(output.shape)
    return leaves, grad, torch.autograd.grad(output, [leaf for leaf in leaves if leaf.is_floating_point()], grad)


def graph_convolution():
    x, edges, layer = torch.randn(6, 3, requires_grad=True), torch.randint(6, (2, 20)), GCNConv(3, 4)
    return differentiated(layer(x, edges), x, edges, *layer.parameters())


def layer_norm():
    x, layer = torch.randn(5, 8, requires_grad=True), nn.LayerNorm(8)
    return differentiated(layer(x), x, *layer.parameters())


def lstm():
    x, layer = torch.randn(6, 2, 3, requires_grad=True), nn.LSTM(3, 4)
    return differentiated(layer(x)[0], x, *layer.parameters())


def attention():
    inputs = [torch.randn(2, 3, 5, 4, requires_grad=True) for _ in "qkv"]
    return differentiated(F.scaled_dot_product_attention(*inputs), *inputs)


ROWS = {"LayerNorm": layer_norm, "LSTM": lstm, "scaled_dot_product_attention": attention, "GCNConv": graph_convolution}
TAKEN = [(peer, row) for peer in ("autograd", "jax") for row in ROWS if row != "GCNConv"]


@pytest.mark.parametrize(("peer", "row"), [*TAKEN, ("torch_geometric", "GCNConv")])
def test_peers_compute_what_torch_does(peer, row):
    pytest.importorskip(peer)
    torch.manual_seed(0)
    tensors, grad, wanted = ROWS[row]()
    found = benchmark.tasks_of(peer)[row](tensors, grad)()
    same([*found], wanted)


@pytest.mark.parametrize("peer", ["autograd", "jax"])
def test_peers_train_as_torch_does(peer):
    """Two steps: the second has its gradients at the weights where the first one led."""
    pytest.importorskip(peer)
    torch.manual_seed(0)
    model, x, labels = LeNet(image_size=28), torch.randn(3, 1, 28, 28), torch.tensor([1, 0, 7])
    step = benchmark.tasks_of(peer)["LeNet"]([x, labels, *model.parameters()])
    optimizer = torch.optim.Adam(model.parameters())
    for _ in range(2):
        optimizer.zero_grad()
        F.cross_entropy(model(x), labels).backward()
        same(step(), [parameter.grad for parameter in model.parameters()])
        optimizer.step()


def same(found, wanted):
    assert len(found) == len(wanted)
    for ours, theirs in zip(found, wanted, strict=True):
        ours = torch.from_numpy(np.array(ours))
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5 * float(theirs.abs().max()))


def test_a_peer_beside(call):
    """In the rows that it has, and in no other."""
    pytest.importorskip("autograd")
    words = ["what=layers", "only=[layer_norm_small,tanh]", "seconds=0", "peers=[autograd]", "json=rows.json"]
    assert call("benchmark", *words) == 0
    norm, tanh = json.loads(Path("rows.json").read_text())["results"]
    assert norm["beside_ratio"]["autograd"] > 0
    assert tanh["beside_ratio"] == {}


def test_a_missing_peer_is_a_line(call, capfd, monkeypatch):
    monkeypatch.setattr(benchmark, "find_spec", lambda name: None)
    assert call("benchmark", "what=layers", "only=[tanh]", "seconds=0", "peers=[jax]", "json=rows.json") == 0
    (line,) = [line for line in capfd.readouterr().out.splitlines() if "left out" in line]
    assert "pip install 'handgrad[peers]'" in line
    (row,) = json.loads(Path("rows.json").read_text())["results"]
    assert row["beside_ratio"] == {}


def test_rows_are_written(call):
    """Every row, with time and memory of both sides."""
    words = ["what=layers", "only=[linear,tanh]", "seconds=0", "threads=1", "json=rows.json"]
    assert call("benchmark", *words) == 0
    found = json.loads(Path("rows.json").read_text())
    assert [row["task"] for row in found["results"]] == ["linear", "tanh"]
    assert all(row["milliseconds"] > 0 and row["mebibytes"] > 0 for row in found["results"])


def test_several_models(call, capfd):
    """Each with the data that it chooses."""
    words = ["what=models", "models=[mlp,gcn]", "batch_sizes=[4]", "seconds=0", "threads=1", "json=rows.json"]
    assert call("benchmark", *words) == 0
    found = json.loads(Path("rows.json").read_text())["results"]
    assert [row["task"] for row in found] == ["mlp training step, batch 4", "gcn training step, batch 4"]
    assert call("benchmark", "what=models", "models=[mpl]") == 2
    assert "mlp" in capfd.readouterr().err


@pytest.mark.slow
def test_beside_the_compiled_reference(call):
    assert call("benchmark", "what=layers", "only=gelu", "seconds=0", "compiled=true", "json=rows.json") == 0
    (row,) = json.loads(Path("rows.json").read_text())["results"]
    assert row["compiled_ratio"] > 0

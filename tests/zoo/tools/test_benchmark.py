"""What a benchmark measures, by clocks and events that tell a known time."""

import json
import math
from functools import partial
from pathlib import Path

import pytest

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


def test_implementations_beside(call):
    words = ["what=layers", "only=[tanh]", "seconds=0", "threads=1", "beside=[plain,native]", "json=rows.json"]
    assert call("benchmark", *words) == 0
    (row,) = json.loads(Path("rows.json").read_text())["results"]
    assert list(row["beside_ratio"]) == ["plain", "native"]
    assert all(ratio > 0 for ratio in row["beside_ratio"].values())
    assert call("benchmark", "beside=[plane]") == 2


def test_rows_are_written(call):
    """Every row, with time and memory of both sides."""
    words = ["what=layers", "only=[linear,tanh]", "seconds=0", "threads=1", "json=rows.json"]
    assert call("benchmark", *words) == 0
    found = json.loads(Path("rows.json").read_text())
    assert [row["task"] for row in found["results"]] == ["linear", "tanh"]
    assert all(row["milliseconds"] > 0 and row["mebibytes"] > 0 for row in found["results"])


@pytest.mark.slow
def test_beside_the_compiled_reference(call):
    assert call("benchmark", "what=layers", "only=gelu", "seconds=0", "compiled=true", "json=rows.json") == 0
    (row,) = json.loads(Path("rows.json").read_text())["results"]
    assert row["compiled_ratio"] > 0

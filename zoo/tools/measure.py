"""TODO."""

import gc
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile, record_function

Task = Callable[[], Any]


@dataclass(frozen=True)
class Result:
    """Medians of one task: milliseconds and peak mebibytes of both sides."""

    task: str
    milliseconds: float
    reference_milliseconds: float
    mebibytes: float
    reference_mebibytes: float

    @property
    def ratio(self) -> float:
        return self.milliseconds / self.reference_milliseconds

    @property
    def memory_ratio(self) -> float:
        """NaN where both need next to nothing."""
        return self.mebibytes / self.reference_mebibytes if self.reference_mebibytes > 0.01 else float("nan")


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def interleaved(tasks: tuple[Task, Task], seconds: float, clock: str = "wall") -> tuple[float, float]:
    """Median seconds of each of two tasks, run in turn for about `seconds` together after a warm-up.

    The clock "cpu" counts what this process computes, in all its threads: on a busy machine, with one thread, it
    still tells the truth where "wall" does not.
    """
    now = CLOCKS[clock]
    for task in tasks:
        for _ in range(3):
            task()
    times: tuple[list[float], list[float]] = ([], [])
    deadline = time.perf_counter() + seconds
    turn = 0
    collecting = gc.isenabled()
    gc.disable()
    try:
        while time.perf_counter() < deadline or turn < 5:
            for side in (0, 1) if turn % 2 else (1, 0):  # who goes first finds other caches than who goes second
                started = now()
                tasks[side]()
                if torch.cuda.is_available():
                    torch.cuda.synchronize()
                times[side].append(now() - started)
            turn += 1
    finally:
        if collecting:
            gc.enable()
    return statistics.median(times[0]), statistics.median(times[1])


def peak_memory(task: Task) -> int:
    """The most bytes that tensors of `task` hold at once, beyond those that exist before it."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        task()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        task()  # of memory from before, which a first call gives back, the profiler does not know the size
        with record_function("measured"):
            task()
    events = sorted(record.profiler.kineto_results.events(), key=lambda event: event.start_ns())
    began = next(event.start_ns() for event in events if event.name() == "measured")
    held = before = peak = 0
    for event in events:
        if event.name() == "[memory]":
            held += event.nbytes()
            if event.start_ns() < began:
                before = peak = held
            peak = max(peak, held)
    return peak - before


def measure(name: str, task: Task, reference: Task, seconds: float, clock: str) -> Result:
    ours, theirs = interleaved((task, reference), seconds, clock)
    return Result(name, ours * 1e3, theirs * 1e3, peak_memory(task) / 2**20, peak_memory(reference) / 2**20)


def processor() -> str:
    """The processor's own name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()

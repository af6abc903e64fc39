"""Measurements of time and memory: two tasks in turn, so that both meet the same disturbances."""

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
    """One task of an implementation and of the reference: median milliseconds, and peak memory in mebibytes."""

    task: str
    milliseconds: float
    reference_milliseconds: float
    mebibytes: float
    reference_mebibytes: float

    @property
    def ratio(self) -> float:
        """The ratio of the times."""
        return self.milliseconds / self.reference_milliseconds

    @property
    def memory_ratio(self) -> float:
        """The ratio of the peak memory; NaN where the reference needs less than 0.01 MiB."""
        return self.mebibytes / self.reference_mebibytes if self.reference_mebibytes > 0.01 else float("nan")


CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}


def interleaved(tasks: tuple[Task, Task], seconds: float, clock: str = "wall") -> tuple[float, float]:
    """Median seconds of each of two tasks, run in turn for about `seconds` in all, after a warm-up.

    The clock "cpu" counts the time that this process computes, in all its threads. With one thread on a busy machine it
    is right where "wall" is not.
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
            for side in (0, 1) if turn % 2 else (1, 0):  # since the caches favour one of the two places
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
    """The largest number of bytes that the tensors of `task` hold at once, without those that existed before."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        task()
        return torch.cuda.max_memory_allocated() - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as record:
        task()  # frees memory from before, whose size the profiler does not know
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
    """Time and memory of a task and its reference."""
    ours, theirs = interleaved((task, reference), seconds, clock)
    return Result(name, ours * 1e3, theirs * 1e3, peak_memory(task) / 2**20, peak_memory(reference) / 2**20)


def processor() -> str:
    """The name of the processor, where the system has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()

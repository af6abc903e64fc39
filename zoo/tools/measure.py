"""Measurements of time and memory: two tasks in turn, so that both meet the same disturbances."""

import gc
import math
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
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
    compiled_milliseconds: float = math.nan  # of the reference under torch.compile
    beside: Mapping[str, float] = field(default_factory=dict)  # milliseconds of further implementations, by name

    @property
    def ratio(self) -> float:
        """The ratio of the times."""
        return self.milliseconds / self.reference_milliseconds

    @property
    def compiled_ratio(self) -> float:
        """The ratio to the compiled reference."""
        return self.milliseconds / self.compiled_milliseconds

    def beside_ratio(self, name: str) -> float:
        """The ratio of the time of one of those beside to that of the reference; NaN where it has no such task."""
        return self.beside.get(name, math.nan) / self.reference_milliseconds

    @property
    def memory_ratio(self) -> float:
        """The ratio of the peak memory; NaN where the reference needs less than 0.01 MiB."""
        return self.mebibytes / self.reference_mebibytes if self.reference_mebibytes > 0.01 else float("nan")


SHORT = 2e-3  # seconds: what takes less is measured over several calls
CLOCKS = {"wall": time.perf_counter, "cpu": time.process_time}
Timer = Callable[[Task], float]


def by_clock(task: Task, now: Callable[[], float] = time.perf_counter) -> float:
    """The seconds of a task on the host."""
    started = now()
    task()
    return now() - started


def by_events(
    task: Task,
    event: Callable[..., Any] = torch.cuda.Event,
    synchronize: Callable[[], None] = torch.cuda.synchronize,
) -> float:
    """The seconds from the moment when a GPU comes to a task to the one when it has done it: by events that the GPU
    notes itself, so that neither waiting for it nor what it had to do before counts."""
    started, ended = (event(enable_timing=True) for _ in range(2))
    started.record()
    task()
    ended.record()
    synchronize()
    return started.elapsed_time(ended) / 1e3


def timer_for(device: str, clock: str) -> Timer:
    return by_events if torch.device(device).type == "cuda" else partial(by_clock, now=CLOCKS[clock])


def repeated(task: Task, calls: int) -> Task:
    """So many calls as one task."""

    def all_calls() -> None:
        for _ in range(calls):
            task()

    return task if calls == 1 else all_calls


def interleaved(tasks: Sequence[Task], seconds: float, timer: Timer = by_clock) -> tuple[float, ...]:
    """Median seconds of each task, run in turn for about `seconds` in all, after a warm-up.

    Short tasks are called several times in a turn, all of them equally often, until the shortest takes `SHORT`: a loop
    finds its code and data in the caches, as training does, where a single call after another task does not.
    The clock "cpu" counts the time that this process computes, in all its threads. With one thread on a busy machine it
    is right where "wall" is not.
    """
    for task in tasks:
        for _ in range(3):
            task()
    calls = max(1, round(SHORT / max(min(map(timer, tasks)), SHORT / 1000)))
    times: list[list[float]] = [[] for _ in tasks]
    deadline = time.perf_counter() + seconds
    turn = 0
    collecting = gc.isenabled()
    gc.disable()
    try:
        while time.perf_counter() < deadline or turn < 5:
            sides = range(len(tasks))
            for side in sides if turn % 2 else reversed(sides):  # since the caches favour one of the places
                times[side].append(timer(repeated(tasks[side], calls)) / calls)
            turn += 1
    finally:
        if collecting:
            gc.enable()
    return tuple(map(statistics.median, times))


def peak_memory(task: Task, device: str = "cpu") -> int:
    """The largest number of bytes that the tensors of `task` hold at once, without those that existed before."""
    if torch.device(device).type == "cuda":
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


def measure(
    name: str,
    task: Task,
    reference: Task,
    seconds: float,
    clock: str,
    device: str = "cpu",
    compiled: Task | None = None,
    beside: Mapping[str, Task] | None = None,
) -> Result:
    """Time and memory of a task and its reference, and the time of the compiled reference, where there is one, and of
    further implementations."""
    beside = beside or {}
    tasks = [task, reference, *beside.values(), *([] if compiled is None else [compiled])]
    ours, theirs, *more = (1e3 * time for time in interleaved(tasks, seconds, timer_for(device, clock)))
    memory = [peak_memory(each, device) / 2**20 for each in (task, reference)]
    others = dict(zip(beside, more, strict=False))
    return Result(name, ours, theirs, *memory, more[-1] if compiled is not None else math.nan, others)


def processor() -> str:
    """The name of the processor, where the system has it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()

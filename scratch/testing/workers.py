"""Jobs in processes of their own: a layer that crashes or never ends takes its process with it, not the report."""

import multiprocessing
import os
import signal
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from typing import Any

import torch

from scratch.testing.findings import Finding
from scratch.testing.suite import Result, Task

SECONDS = 120  # for one check; whatever takes longer hangs
Work = Callable[[Sequence[Task]], Iterator[Result]]
Plan = Callable[[], tuple[Sequence[Sequence[Task]], Work]]  # the jobs, and how one is done; importable


def serve(plan: Plan, connection: Connection) -> None:
    """A worker: does the jobs whose numbers arrive, and sends each result when there is one."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the one who started us ends us
    for stream in (1, 2):  # what layers print, and the last words of one that crashes
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream)
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)  # the cases are small
    jobs, work = plan()
    while (place := connection.recv()) is not None:
        number, start = place
        for result in work(jobs[number][start:]):
            connection.send(result)
        connection.send(None)


@dataclass
class Worker:
    process: BaseProcess
    connection: Connection
    job: int = -1  # what it is at, and how far
    done: int = 0
    since: float = 0.0

    def give(self, job: int, start: int) -> None:
        self.job, self.done, self.since = job, start, time.monotonic()
        self.connection.send((job, start))


def scattered(plan: Plan, count: int) -> Iterator[tuple[int, Result | None]]:
    """The results of all jobs, each with the number of its job, as they come; None when a job is done."""
    method = "fork" if "fork" in multiprocessing.get_all_start_methods() else "spawn"
    context: Any = multiprocessing.get_context(method)
    jobs, _ = plan()
    waiting = deque((number, 0) for number in range(len(jobs)))
    workers: list[Worker] = []

    def start() -> None:
        ours, theirs = context.Pipe()
        process = context.Process(target=serve, args=(plan, theirs), daemon=True)
        process.start()
        theirs.close()
        worker = Worker(process, ours)
        worker.give(*waiting.popleft())
        workers.append(worker)

    try:
        while waiting or workers:
            while waiting and len(workers) < count:
                start()
            for connection in wait([worker.connection for worker in workers], timeout=1):
                worker = next(w for w in workers if w.connection is connection)
                try:
                    result = worker.connection.recv()
                except (EOFError, OSError):
                    worker.process.join()
                    workers.remove(worker)
                    yield from buried(worker, jobs, waiting, ended(worker.process.exitcode or 0))
                    continue
                worker.since = time.monotonic()
                if result is not None:
                    worker.done += 1
                    yield worker.job, result
                    continue
                yield worker.job, None
                if waiting:
                    worker.give(*waiting.popleft())
                else:
                    worker.connection.send(None)
                    workers.remove(worker)
            for worker in [w for w in workers if time.monotonic() - w.since > SECONDS]:
                worker.process.kill()
                workers.remove(worker)
                yield from buried(worker, jobs, waiting, f"it does not end: stopped after {SECONDS} s")
    finally:
        for worker in workers:
            worker.process.kill()


def buried(
    worker: Worker, jobs: Sequence[Sequence[Task]], waiting: deque[tuple[int, int]], how: str
) -> Iterator[tuple[int, Result | None]]:
    """The check that was the end of a worker. The rest of its job is for another, but for the case that it was at."""
    job = jobs[worker.job]
    for place, task in enumerate(job[worker.done :], worker.done):
        if place == worker.done:
            yield worker.job, Result(task.name, task.title, task.check, "failed", finding=Finding(how, how))
        elif task.title == job[worker.done].title:
            yield worker.job, Result(task.name, task.title, task.check, "not reached")
        else:
            waiting.appendleft((worker.job, place))
            return
    yield worker.job, None


def ended(status: int) -> str:
    if status >= 0:
        return f"it ends the process with status {status}"
    return f"it ends the process: {signal.Signals(-status).name}"

"""What a GPU can do and a CPU cannot; for ``--device cpu`` each does what comes nearest."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch


@contextmanager
def unsynchronised(device: torch.device) -> Iterator[None]:
    """A context in which an operation that makes the host wait for the GPU is an error."""
    if device.type == "cpu":
        yield
        return
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@contextmanager
def side_stream(device: torch.device) -> Iterator[None]:
    """A context in which a stream of its own computes."""
    if device.type == "cpu":
        yield
        return
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        yield
    torch.cuda.current_stream(device).wait_stream(stream)


def captured(device: torch.device, step: Callable[[], None]) -> Callable[[], None]:
    """The step as a graph that is replayed; three steps have been made before, on a stream of their own. A CPU captures
    nothing: there it is the step."""
    with side_stream(device):
        for _ in range(3):
            step()
    if device.type == "cpu":
        return step
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        step()
    return graph.replay


@contextmanager
def deterministic() -> Iterator[None]:
    """A context in which an operation whose order of additions is chance is an error."""
    torch.use_deterministic_algorithms(True)
    try:
        yield
    finally:
        torch.use_deterministic_algorithms(False)

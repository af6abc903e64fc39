"""torch.compile for the networks of the zoo."""

from collections.abc import Iterator

import torch
from torch.nn import Module, ModuleList, RNNBase
from torchmetrics import Metric

from scratch.ops.core.compiler import compiler_works
from zoo.core.errors import UsageError, one_of


def parts(model: Module) -> Iterator[Module]:
    """The parts that are compiled, each by itself: the layers of a Lightning module.

    Neither the module itself, whose steps log and so cannot be traced, nor its metrics are compiled.
    """
    for child in model.children():
        if isinstance(child, ModuleList):
            yield from child
        elif not isinstance(child, Metric):
            yield child


def compile_network(model: Module, backend: bool | str, fullgraph: bool = False) -> None:
    """Compile the parts of a model in place, which leaves the names of its weights as they are.

    Args:
        backend: the name of a backend of torch.compile; True for inductor, False for none.
        fullgraph: raise an error where a part cannot be compiled as one graph.
    """
    if backend is False:
        return
    name = "inductor" if backend is True else backend
    if any(isinstance(part, RNNBase) and not type(part).__module__.startswith("torch.") for part in model.modules()):
        torch._dynamo.config.allow_rnn = True  # it leaves out torch's recurrent layers, and what is an instance of them
    one_of("compile", name, [*torch._dynamo.list_backends(exclude_tags=()), "true", "false"])
    if name == "inductor" and not torch.cuda.is_available() and not compiler_works():
        raise UsageError("compile=true: needs a C++ compiler, and none works; install g++ or clang, or name one by CXX")
    for part in parts(model):
        part.compile(backend=name, fullgraph=fullgraph)

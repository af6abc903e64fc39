"""torch.compile for the networks of the zoo."""

from collections.abc import Iterator

import torch
from torch.nn import Module, ModuleList, RNNBase
from torchmetrics import Metric

from zoo.errors import one_of


def parts(model: Module) -> Iterator[Module]:
    """What is compiled, each by itself: the layers that a Lightning module is made of, but neither the module, whose
    steps are Python for a reason, nor its metrics."""
    for child in model.children():
        if isinstance(child, ModuleList):
            yield from child
        elif not isinstance(child, Metric):
            yield child


def compile_network(model: Module, backend: bool | str, fullgraph: bool = False) -> None:
    """Compile in place; names of weights stay as they are. `backend` true is inductor, false none."""
    if backend is False:
        return
    name = "inductor" if backend is True else backend
    if any(isinstance(part, RNNBase) and not type(part).__module__.startswith("torch.") for part in model.modules()):
        torch._dynamo.config.allow_rnn = True  # it leaves out torch's recurrent layers, and what is an instance of them
    one_of("compile", name, [*torch._dynamo.list_backends(exclude_tags=()), "true", "false"])
    for part in parts(model):
        part.compile(backend=name, fullgraph=fullgraph)

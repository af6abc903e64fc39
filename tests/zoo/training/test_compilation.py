"""compile=…: the networks of the zoo as graphs."""

from typing import Any

import pytest
import torch
from torch.utils._pytree import tree_map

from tests.zoo.runs import composed
from tests.zoo.training.parallel_runs import SMALL
from zoo.core.errors import UsageError
from zoo.training import run
from zoo.training.build import build_data, build_model
from zoo.training.compilation import compile_network, parts

pytestmark = pytest.mark.filterwarnings("ignore")


MODELS = [
    "lenet",
    "rnn",
    "lstm",
    "gru",
    "char_lstm",
    "gpt",
    "bert",
    "gcn",
    "gat",
    "sage",
    "transformer",
    "resnet",
    "vit",
    "autoencoder",
    "vae",
    "diffusion",
]


@pytest.mark.slow
@pytest.mark.parametrize("model", MODELS)
def test_compiles_whole(model):
    """From scratch layers each network is one graph, forward and backward, and gives the same numbers."""
    words = [word for word in SMALL[model] if not word.startswith("+")]
    config = composed(f"model={model}", *words, "optimizer=sgd")
    data = build_data(config)
    module: Any = build_model(config, data.facts).double()
    module.log = module.log_dict = lambda *_, **__: None
    batch = data.on_after_batch_transfer(next(iter(data.train_dataloader())), 0)
    batch = tree_map(lambda part: part.double() if torch.is_tensor(part) and part.is_floating_point() else part, batch)
    outcomes = []
    for compiled in (False, True):
        if compiled:
            torch._dynamo.reset()
            compile_network(module, "aot_eager", fullgraph=True)
            assert all(part._compiled_call_impl is not None for part in parts(module))
        module.zero_grad()
        getattr(module, "_carried", {}).clear()
        torch.manual_seed(0)  # of the noise that a diffusion model draws
        loss = module.training_step(batch, 0)
        loss.backward()
        outcomes.append([loss.detach(), *(parameter.grad.clone() for parameter in module.parameters())])
    for eager, graph in zip(*outcomes, strict=True):
        torch.testing.assert_close(graph, eager, rtol=1e-9, atol=1e-11)


def test_unknown_backend():
    with pytest.raises(UsageError, match="compile=inducktor: unknown, did you mean 'inductor'"):
        run.train(composed("compile=inducktor"))


def test_without_a_compiler_one_line_says_so(monkeypatch, no_compiler):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UsageError, match=r"compile=true: needs a C\+\+ compiler"):
        compile_network(torch.nn.Sequential(torch.nn.Linear(2, 2)), True)

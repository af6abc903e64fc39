"""A checkpoint is evaluated as it was in training, and exported for those who have PyTorch only."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from zoo.tools.export import tensors
from zoo.training.checkpoint import asked_for, trained_model

SHORT = ["trainer.max_epochs=1", "+trainer.limit_train_batches=1", "paths.run=run", "callbacks.progress=null"]
DATES = ["data.train=300", "data.test=20"]
MODELS = [  # words, and arguments of another size than those of the export
    (["model=lenet"], lambda: (torch.randn(1, 1, 32, 32),)),
    (["model=gcn"], lambda: ((torch.rand(34, 34), torch.randint(34, (2, 50)), None, torch.arange(5)),)),
    (["model=mlp", "trainer.precision=64-true"], lambda: (torch.randn(3, 1, 32, 32, dtype=torch.float64),)),
    (["model=gru", "model.hidden=8"], lambda: (torch.randn(3, 8, 8),)),
    (["model=lstm", "model.hidden=8", "model.bidirectional=true"], lambda: (torch.randn(1, 8, 8),)),
    (["model=autoencoder", "model.width=8", "model.code=2"], lambda: (torch.randn(1, 1, 32, 32),)),
    (["model=lenet", "model.variant=keras", "model.norm=batch"], lambda: (torch.randn(3, 1, 32, 32),)),
    (["model=resnet", "model.size=tiny", "data.image_size=8"], lambda: (torch.randn(3, 1, 8, 8),)),
    (["model=vit", "model.size=tiny", "data.image_size=8"], lambda: (torch.randn(3, 1, 8, 8),)),
    (["model=vae", "model.width=8", "data.image_size=8"], lambda: (torch.rand(3, 1, 8, 8),)),
    (["model=diffusion", "model.width=8", "model.steps=21", "data.image_size=8"],
     lambda: (torch.rand(3, 1, 8, 8), torch.tensor([0, 7, 20]))),
    (["model=gcn", "data=relations"], None),
    *[([f"model={model}"], lambda: ((torch.rand(34, 34), torch.randint(34, (2, 50)), None, torch.arange(5)),))
      for model in ("gat", "sage")],
    (["model=graph_gcn"], None),
    (["model=char_gru", "data.length=8", "model.hidden=8"], None),
    (["model=bert", "data.length=8", "data.words=400"], lambda: (torch.randint(4, 400, (3, 5)),)),
    (["model=gpt", "model.size=tiny", "data.length=8"], lambda: (torch.randint(9, (3, 5)),)),
    (["model=transformer", "model.encoder_layers=1", "model.decoder_layers=1", *DATES],
     lambda: (torch.tensor([[5, 4, 6, 2], [5, 2, 0, 0], [4, 4, 2, 0]]), torch.tensor([[1, 4, 5]] * 3))),
]  # fmt: skip
FIRST = 2  # of these are no slow tests

PLAIN = """
import sys, torch
from safetensors.torch import load_file
torch.set_num_threads(1)
program = torch.export.load("run/checkpoints/best.pt2").module()
with torch.no_grad():
    torch.save([program(*given) for given in torch.load("given.pt")], "outputs.pt")
assert not any(name.split(".")[0] in ("scratch", "zoo", "lightning") for name in sys.modules)
"""


NATIVE = ("model=lenet", "model=gcn")  # with torch's own layers: of pictures, and of a graph
CASES = [
    pytest.param(words, other, impl, id=f"{impl} {' '.join(words)}", marks=[pytest.mark.slow] * slow)
    for place, (words, other) in enumerate(MODELS)
    for impl, slow in (("scratch", place >= FIRST), ("native", True))
    if impl == "scratch" or words[0] in NATIVE
]


@pytest.mark.usefixtures("undrawn")
@pytest.mark.parametrize(("words", "other", "impl"), CASES)
def test_evaluated_and_exported(words, other, impl, call, capsys):
    """The table of an evaluation is that of the training, to the bit; a process that has only PyTorch gets the model's
    outputs from the program, for other sizes too, and the weights from the other file."""
    assert call("train", *words, *SHORT, f"impl={impl}") == 0
    assert call("eval", "ckpt=run", "to=again") == 0
    first, again = (json.loads(Path(folder, "metrics.json").read_text()) for folder in ("run", "again"))
    assert again == first

    assert call("export", "ckpt=run/checkpoints/best.ckpt") == 0
    assert "best.pt2: (" in capsys.readouterr().out
    _, checkpoint = asked_for("run")
    weights = load_file("run/checkpoints/best.safetensors")
    assert weights.keys() == checkpoint["state_dict"].keys()
    assert all(torch.equal(weights[name], weight) for name, weight in checkpoint["state_dict"].items())
    if other is None:
        return
    arguments = other()
    torch.save([tuple(tensors(arguments))], "given.pt")
    subprocess.run([sys.executable, "-c", PLAIN], check=True, env={})
    with torch.no_grad():
        wanted = trained_model(checkpoint)(*arguments)
    torch.testing.assert_close(torch.load("outputs.pt"), [wanted])


def test_evaluation_without_a_folder_writes_nothing(call):
    assert call("train", "model=mlp", *SHORT) == 0
    before = sorted(Path().rglob("*"))
    assert call("eval", "ckpt=run", "impl=native", "data.batch_size=100") == 0
    assert sorted(Path().rglob("*")) == before


@pytest.mark.slow
def test_what_cannot_be_exported_says_so_in_one_line(call, capsys):
    assert call("train", "model=seq2seq", *DATES, *SHORT) == 0
    capsys.readouterr()
    assert call("export", "ckpt=run") == 1
    error = capsys.readouterr().err
    assert error.startswith("error: torch.export cannot make a program of Seq2Seq: ")
    assert error.count("\n") == 1
    assert Path("run/checkpoints/best.safetensors").exists()

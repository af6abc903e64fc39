"""What a stranger's file may do: nothing but be read. Each test is a way in, by which it would run code of its own."""

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.zoo.runs import ROOT
from zoo.data.pickled import array, neighbours, read_pickled
from zoo.language_model import LanguageModel
from zoo.mlp import MLP
from zoo.seq2seq import Seq2Seq
from zoo.text.vocabulary import Vocabulary
from zoo.training.checkpoint import write_sealed

RUN = {"_target_": "subprocess.run", "args": ["touch", "entered"]}
DIGITS = {"_target_": "zoo.data.digits.Digits", "image_size": 8, "batch_size": 64}
SPY = "from pathlib import Path\n\nPath('entered').touch()\n"


def checkpoint(path: str, model=None, **changes):
    """A checkpoint of a small network, in which `changes` replace parts by their full names, with / for the dots."""
    model = model or MLP(width=4, depth=1, image_size=8)
    kind = f"{type(model).__module__}.{type(model).__name__}"
    config = {"name": "x", "model": {"_target_": kind}, "data": DIGITS, "trainer": {"precision": "32-true"}}
    content = {"state_dict": model.state_dict(), "hyper_parameters": dict(model.hparams), "config": config}
    content |= {
        "epoch": 0,
        "global_step": 0,
        "pytorch-lightning_version": "2.6.4",
        "batch": [torch.zeros(2, 1, 8, 8), torch.zeros(2).long()],
    }
    content |= {"batch_idx": 0, "random": torch.get_rng_state()}
    for place, value in changes.items():
        *way, last = place.split("/")
        inside = content
        for key in way:
            inside[key] = dict(inside[key])
            inside = inside[key]
        inside[last] = value
    write_sealed(Path(path), content)


def text_model():
    return LanguageModel(cell="GRU", embedding=4, hidden=4, alphabet="abc")


def translator():
    words = Vocabulary.of_characters(["abc"]).text
    return Seq2Seq(cell="GRU", embedding=4, hidden=4, source_vocabulary=words, target_vocabulary=words)


KIND = "config/model/_target_"
BATCH = {"kind": "subprocess.run", "fields": [["touch", "entered"]]}
WAYS = [  # script, and what the checkpoint names
    ("eval", {KIND: "subprocess.run", "hyper_parameters": {"args": ["touch", "entered"]}}),
    ("export", {KIND: "subprocess.run", "hyper_parameters": {"args": ["touch", "entered"]}}),
    ("rerun", {KIND: "subprocess.run", "hyper_parameters": {"args": ["touch", "entered"]}}),
    ("generate", {KIND: "subprocess.run", "hyper_parameters": {"args": ["touch", "entered"], "alphabet": "ab"}}),
    ("translate", {KIND: "subprocess.run", "hyper_parameters": {"args": ["x"], "target_vocabulary": ""}}),
    ("eval", {"config/data": RUN}),
    ("export", {"config/data": RUN}),
    ("rerun", {"batch": [BATCH, torch.zeros(2).long()]}),
    *[(script, {KIND: "spy.Model"}) for script in ("eval", "export", "rerun", "generate", "translate")],
    *[(script, {"hyper_parameters/layers": "spy"}) for script in ("eval", "export", "rerun", "generate", "translate")],
    # beyond those that were reported
    ("eval", {"config/data/image_size": RUN}),  # an object inside of an allowed one
    ("export", {"config/data/options": [RUN]}),
    ("eval", {"config/trainer/precision": RUN}),  # which eval.py copies into its own configuration
    ("eval", {"config/data/_args_": ["x"]}),  # Hydra's own keys
    ("eval", {"config/data/defaults": [{"/callbacks": "default"}]}),  # a list of more files to compose
    ("eval", {"config/data": {"_target_": "zoo.data.images.partial"}}),  # a name that a module of ours has imported
    ("eval", {KIND: "zoo.training.processes.in_own_process"}),  # a function of ours
    ("rerun", {"batch": [{"kind": "zoo.training.cli.Path", "fields": ["x"]}, torch.zeros(2).long()]}),
    ("eval", {KIND: "zoo..mlp.MLP"}),
    ("eval", {"config/data/_target_": ["subprocess.run"]}),
    ("eval", {KIND: "zoo.mlp.MLP\x1b[2J"}),  # which would clear the terminal
]


@pytest.mark.parametrize(("script", "changes"), WAYS, ids=[f"{script} {next(iter(way))}" for script, way in WAYS])
def test_nothing_that_a_checkpoint_names_is_run(script, changes, call, capsys, monkeypatch):
    Path("spy.py").write_text(SPY)
    checkpoint("x.ckpt", {"generate": text_model, "translate": translator}.get(script, lambda: None)(), **changes)
    if script == "rerun":
        from zoo.tools.rerun import main

        monkeypatch.setattr(sys, "argv", ["rerun", "x.ckpt"])
        with pytest.raises(SystemExit) as end:
            main()
        status = end.value.code
    else:
        status = call(script, "ckpt=x.ckpt", *["text=a"] * (script == "translate"))
    err = capsys.readouterr().err
    assert (status, err.count("\n")) == (2, 1), err
    assert err.startswith("error: ")
    assert err.rstrip("\n").isprintable()
    assert sorted(os.listdir()) == ["spy.py", "x.ckpt"]


def test_an_interpolation_is_refused(call, monkeypatch, capsys):
    """Or a checkpoint could carry off what is in the environment."""
    monkeypatch.setenv("SECRET", "hunter2")
    checkpoint(
        "x.ckpt",
        **{"config/data/read": "${oc.env:SECRET}", "config/data/_target_": "zoo.data.sequences.SequentialDigits"},
    )
    assert call("eval", "ckpt=x.ckpt") == 2
    err = capsys.readouterr().err
    assert "holds an interpolation" in err
    assert "hunter2" not in err


def test_a_package_is_trusted_by_name(call, capsys):
    """Its model, and what the refusal says to add."""
    Path("a_friends.py").write_text(
        "from zoo.mlp import MLP\n\n\nclass Theirs(MLP):\n    pass\n\n\n"
        "class Popen:\n    def __init__(self, **_):\n        1 / 0\n"
    )
    checkpoint("x.ckpt", **{KIND: "a_friends.Theirs"})
    assert call("eval", "ckpt=x.ckpt") == 2
    assert "trust=a_friends" in capsys.readouterr().err
    assert call("eval", "ckpt=x.ckpt", "trust=a_friends") == 0
    capsys.readouterr()
    checkpoint("x.ckpt", **{KIND: "a_friends.Popen"})
    assert call("eval", "ckpt=x.ckpt", "trust=a_friends") == 2
    assert "no Trainable" in capsys.readouterr().err


def test_a_package_of_layers_is_named_or_trusted(call, capsys):
    Path("few.py").write_text("from zoo.layers import *\nfrom torch.nn import *\n")
    checkpoint("x.ckpt", **{"hyper_parameters/layers": "few"})
    assert call("eval", "ckpt=x.ckpt") == 2
    assert "trust=few" in capsys.readouterr().err
    assert call("eval", "ckpt=x.ckpt", "impl=few") == 0
    assert call("eval", "ckpt=x.ckpt", "trust=few") == 0


def test_a_search_takes_no_values_from_its_folder_that_were_not_asked_for():
    pytest.importorskip("optuna")
    from optuna.distributions import CategoricalDistribution, FloatDistribution

    from zoo.tools.sweep import may_be

    assert may_be(0.5, FloatDistribution(0, 1))
    assert not may_be("{_target_: subprocess.run, args: [touch, entered]}", FloatDistribution(0, 1))
    assert not may_be("[1,{_target_: subprocess.run}]", CategoricalDistribution(["1", "2"]))


# The current folder.


@pytest.mark.parametrize(
    "words",
    [
        ["scripts/train.py", "--cfg", "job"],
        ["scripts/train.py", "model=lenett"],
        ["scripts/eval.py", "ckpt=nowhere"],
        ["-m", "zoo.guard", "nowhere"],
    ],
    ids=" ".join,
)
def test_files_beside_the_user_are_not_imported(words, tmp_path):
    """Neither in place of the standard library, nor as a plug-in of Hydra's or an entry point of a package."""
    for name in ("calendar", "secrets", "difflib", "colorsys", "sndhdr"):
        (tmp_path / f"{name}.py").write_text(SPY)
    (tmp_path / "hydra_plugins").mkdir()
    (tmp_path / "hydra_plugins" / "spy.py").write_text(SPY)
    (tmp_path / "spy-1.0.dist-info").mkdir()
    (tmp_path / "spy-1.0.dist-info/METADATA").write_text("Metadata-Version: 2.1\nName: spy\nVersion: 1.0\n")
    (tmp_path / "spy-1.0.dist-info/entry_points.txt").write_text("[lightning.pytorch.callbacks_factory]\nx = spy:x\n")
    (tmp_path / "spy.py").write_text(SPY)
    command = [sys.executable, *(str(ROOT / word) if word.startswith("scripts") else word for word in words)]
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=tmp_path, env=kept | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode in (0, 2), done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "entered").exists()


# Data.


class Bomb:
    def __reduce__(self):
        return os.system, ("touch entered",)


def test_data_are_read_and_never_unpickled(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "ind.cora.x"
    for bomb in (Bomb(), {0: Bomb()}, [Bomb(), np.zeros(3)]):
        path.write_bytes(pickle.dumps(bomb, protocol=2))
        for kind in (array, neighbours):
            with pytest.raises(ValueError, match=r"no |instruction"):
                kind(read_pickled(path))
    assert os.listdir() == ["ind.cora.x"]


@pytest.mark.parametrize("dtype", ["float32", "int32", "float64", "uint8", ">i8"])
def test_arrays_are_those_that_were_pickled(dtype, tmp_path):
    pytest.importorskip("scipy")
    from scipy.sparse import csr_matrix

    numbers = np.arange(12).reshape(3, 4).astype(dtype)
    numbers[1] = 0
    for value in (numbers, np.asfortranarray(numbers), csr_matrix(numbers.astype(numbers.dtype.newbyteorder("=")))):
        content = pickle.dumps(value, protocol=2)
        (tmp_path / "x").write_bytes(content)
        assert (array(read_pickled(tmp_path / "x")) == numbers).all()


@pytest.mark.parametrize("name", ["Cora", "CiteSeer"])
def test_citations_are_those_of_torch_geometric(name):
    folder = Path(os.environ.get("HANDGRAD_DATA", "")) / "planetoid" / name / "raw"
    if not folder.is_dir():
        pytest.skip("HANDGRAD_DATA names no folder with planetoid")
    io = pytest.importorskip("torch_geometric.io")
    from zoo.data.planetoid import Citations

    graph, theirs = Citations(str(folder.parents[2]), name).load(), io.read_planetoid_data(str(folder), name)
    for ours, other in ((graph.features, theirs.x), (graph.edges, theirs.edge_index), (graph.labels, theirs.y)):
        assert torch.equal(ours, other)
    assert all(torch.equal(graph.splits[split], theirs[f"{split}_mask"]) for split in graph.splits)

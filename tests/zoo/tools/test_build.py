"""What the compiled form would build: it is found, told, built once, and what fails is named."""

import pytest

from scratch.ops.core import compiler
from scratch.testing.cases import CASES
from scratch.testing.cases.optim import CASES as OPTIMIZER_CASES
from zoo.tools import build as command


@pytest.fixture(autouse=True)
def few(tmp_path, monkeypatch):
    """A folder of its own, a few cases, and a builder that takes no time."""
    monkeypatch.setenv("HANDGRAD_CACHE", str(tmp_path / "handgrad"))
    monkeypatch.setattr(command, "CASES", [case for case in CASES if case.name in ("GELU", "LSTM")])
    monkeypatch.setattr(command, "OPTIMIZER_CASES", [case for case in OPTIMIZER_CASES if case.name == "SGD"])
    monkeypatch.setattr(command, "compiler_works", lambda: True)
    monkeypatch.setattr(compiler, "compiler_works", lambda: True)

    def write(kernel, kinds, wanted, ones, file):
        if "lstm.adjoint" in kernel.name:
            raise RuntimeError("no room")
        file.write_bytes(b"code")

    monkeypatch.setattr(compiler.Kernel, "build", write)


ALL = ["activation.gated.GELUFn.adjoint", "activation.gated.GELUFn.value", "optim.sgd", "recurrent.lstm.adjoint",
       "recurrent.lstm.step"]  # fmt: skip


def test_what_there_is_to_build():
    found = command.functions([*command.CASES, *command.OPTIMIZER_CASES])
    assert [each.name for each in found] == ALL


def test_what_is_there_is_told_and_left_alone(capsys):
    assert not command.build(missing=True)
    out = capsys.readouterr().out
    assert "5 functions of float32: 0 are in" in out
    assert all(name in out for name in ALL)
    assert command.build(["GELU", "optim"])
    assert not command.build(missing=True)
    out = capsys.readouterr().out
    assert "3 are in" in out
    assert "optim.sgd" not in out[out.rindex("3 are in") :]


def test_what_fails_is_named_and_the_others_are_built(capsys):
    assert not command.build()
    assert "recurrent.lstm.adjoint: no room" in capsys.readouterr().out
    assert len([*compiler.folder().glob("*.so")]) == 4

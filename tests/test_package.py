"""What is installed: the wheel has the commands, their configurations, the harness and types; it needs no checkout."""

import json
import os
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest

import scratch

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
NOT_INSTALLED = {"book", "index", "mutate"}  # for those who work on the checkout itself


def test_every_script_is_a_command():
    scripts = {path.stem for path in (ROOT / "scripts").glob("*.py")} - NOT_INSTALLED
    assert PROJECT["scripts"] == {f"handgrad-{name}": f"zoo.commands.{name}:main" for name in scripts}
    for name in scripts:
        assert import_module(f"scripts.{name}").main is import_module(f"zoo.commands.{name}").main


def test_one_version():
    assert "version" not in PROJECT
    citation = (ROOT / "CITATION.cff").read_text()
    assert re.findall(r"^version: (.*)", citation, re.M) == [scratch.__version__]
    newest = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.M)
    assert scratch.__version__ in newest[:2]  # below what is not released yet


USER = """
import torch
import scratch.nn as nn
from scratch import optim

layer = nn.Linear(2, 3)
reveal_type(layer)
reveal_type(nn.functional.relu(torch.zeros(2)))
reveal_type(optim.Adam(layer.parameters(), lr=0.1))
nn.Linear("two", 3)
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory):
    """Runs a command with the installed wheel, away from the checkout."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--quiet"]
    subprocess.run([*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", folder, ROOT], check=True)
    (wheel,) = folder.glob("*.whl")
    subprocess.run([*pip, "install", "--no-deps", "--target", folder / "site", wheel], check=True)
    (folder / "home").mkdir()

    def run(*words: str) -> subprocess.CompletedProcess:
        environment = {**os.environ, "PYTHONPATH": str(folder / "site"), "OMP_NUM_THREADS": "1"}
        path = folder / "site" / "bin" / words[0]
        command = [sys.executable, *([path] if path.exists() else ["-m", words[0]]), *words[1:]]
        return subprocess.run(command, cwd=folder / "home", env=environment, capture_output=True, text=True)

    run.home = folder / "home"
    return run


@pytest.mark.slow
def test_the_wheel_trains(installed):
    done = installed("handgrad-train", "model=lenet", "trainer.max_epochs=1", "paths.run=run", "data.batch_size=256")
    assert done.returncode == 0, done.stderr
    assert json.loads((installed.home / "run/metrics.json").read_text())["test/accuracy"] > 0.5
    assert (installed.home / "run/command.txt").read_text().startswith("handgrad-train model=lenet")
    done = installed("handgrad-eval", "ckpt=run")
    assert done.returncode == 0, done.stderr
    done = installed("handgrad-train", "model=lenett")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert "did you mean 'lenet'?" in done.stderr


@pytest.mark.slow
def test_the_wheel_checks_layers(installed):
    done = installed("scratch.testing", "scratch.nn", "-k", "Linear(5, 3", "--quick", "--jobs", "1")
    assert done.returncode == 0, done.stdout + done.stderr
    done = installed(
        "pytest", "--pyargs", "scratch.testing", "-q", "-n0", "-k", "Linear and gradients", "-p", "no:cacheprovider"
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.slow
def test_the_wheel_has_types(installed):
    (installed.home / "user.py").write_text(USER)
    lines = installed("mypy", "user.py").stdout.splitlines()
    assert [line.split('"')[1] for line in lines if "Revealed" in line] == [
        "scratch.nn.linear.Linear",
        "torch._tensor.Tensor",
        "scratch.optim.adam.Adam",
    ]
    assert any("user.py:10: error" in line and "incompatible type" in line for line in lines)

"""A search with Optuna: what it tries, that it goes on, and what it leaves behind."""

import csv
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from omegaconf import OmegaConf

from tests.zoo.runs import ROOT
from tests.zoo.training.test_configs import composed
from zoo.core.errors import UsageError
from zoo.tools import sweep
from zoo.training.processes import words_of_a_run

pytest.importorskip("optuna")
WORDS = ["sweep=optuna", "model=mlp", "sweep.trials=6", "+sweep.space={model.depth:[1,2],model.width:{low:8,high:9}}"]


@pytest.fixture
def trials(tmp_path, monkeypatch):
    """Makes the trials of a sweep; each run is the valley (lg lr + 2)² + depth in place of a training.

    ends: the exit statuses of some of them, by their number.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sweep, "words_of_a_run", lambda: ["model=mlp"])
    monkeypatch.setattr(sys, "argv", ["scripts/train.py"])

    def search(folder: str, *words: str, ends: dict[int, int] | None = None) -> tuple[dict[str, Any], list[str]]:
        commands = []

        def run(command: list[str], log: Any) -> int:
            commands.append(" ".join(command))
            values = OmegaConf.from_dotlist(command)
            path = Path(values.paths.run)
            status = (ends or {}).get(int(path.name.removeprefix("trial-")), 0)
            path.mkdir(exist_ok=True)
            if status:
                log.write("error: no\n")
                return status
            loss = (1 + values.optimizer.lr) + values.model.depth
            (path / "metrics.json").write_text(json.dumps({"val/loss": loss, "val/accuracy": -loss}))
            return 0

        monkeypatch.setattr(sweep, "in_own_process", run)
        return sweep.search(composed(*WORDS, f"sweep.folder={folder}", *words)), commands

    return search


@pytest.fixture
def no_picture(monkeypatch):
    monkeypatch.setattr(sweep, "save_figure", lambda *_: None)
    monkeypatch.setattr(sweep, "picture", lambda *_: None)


def table(folder: str) -> list[dict[str, str]]:
    with open(Path(folder) / "trials.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_a_search(trials, capsys):
    best, commands = trials("whole")
    rows = table("whole")
    assert sorted(row["trial"] for row in rows) == list("012345")
    assert rows == sorted(rows, key=lambda row: float(row["val/loss"]))
    assert best["model.depth"] == 1
    assert min(float(row["val/loss"]) for row in rows) < 2 + best["optimizer.lr"] + 1e-3
    assert all(1e-4 <= float(row["optimizer.lr"]) <= 0.1 and row["model.width"] in ("8", "9") for row in rows)
    assert commands[3].startswith("model=mlp optimizer.lr=0.")
    assert commands[3].endswith("paths.run=whole/trial-003")
    assert Path("whole/sweep.png").read_bytes().startswith(b"\x89PNG")
    assert Path("whole/config.yaml").exists()
    out = capsys.readouterr().out
    assert f"python scripts/train.py model=mlp optimizer.lr={best['optimizer.lr']:.4g}" in out


def test_the_largest(trials, no_picture):
    assert trials("largest", "sweep.metric=val/accuracy", "sweep.direction=maximize")[0]["model.depth"] == 1
    assert float(table("largest")[0]["val/accuracy"]) == max(float(row["val/accuracy"]) for row in table("largest"))


def test_interrupted_it_goes_on_and_tries_the_same(trials, no_picture):
    """From the checkpoint of the trial that was cut off; finished ones are not made again."""
    _, whole = trials("whole")
    with pytest.raises(SystemExit) as end:
        trials("broken", ends={3: 130})
    assert end.value.code == 130
    Path("broken/trial-003/checkpoints").mkdir()
    Path("broken/trial-003/checkpoints/last.ckpt").touch()
    _, rest = trials("broken")
    assert rest[0].endswith("paths.run=broken/trial-003 ckpt_path=broken/trial-003/checkpoints/last.ckpt")
    assert [command.split(" paths.run")[0] for command in rest] == [
        command.split(" paths.run")[0] for command in whole[3:]
    ]
    assert table("broken") == table("whole")
    assert trials("broken")[1] == []  # all is done
    assert len(trials("broken", "sweep.trials=8")[1]) == 2  # but for more


def test_a_trial_that_fails_is_passed_over(trials, no_picture, capsys):
    trials("failing", ends={1: 1, 4: 2})
    assert sorted(row["trial"] for row in table("failing")) == list("0235")
    assert "failed: error: no" in capsys.readouterr().out
    with pytest.raises(UsageError, match="the first trial was refused"):
        trials("refused", ends={0: 2})
    with pytest.raises(UsageError, match="none of 6 trials came to its end"):
        trials("hopeless", ends=dict.fromkeys(range(6), 1))


@pytest.mark.parametrize(
    ("word", "line"),
    [
        ("sweep.trials=0", "sweep.trials=0: must be at least 1"),
        ("sweep.direction=down", "sweep.direction=down: unknown; legal are minimize, maximize"),
        ("sweep.sampler=tpa", "sweep.sampler=tpa: unknown, did you mean 'tpe'"),
        ("+sweep.space={model.depht:[1]}", "sweep.space: model.depht: no such key"),
        ("+sweep.space={model.dropout:{low:1,high:0}}", r"sweep.space: model.dropout=.*must be a list of choices"),
        ("+sweep.space={model.dropout:0.5}", r"sweep.space: model.dropout=0.5: must be a list of choices"),
    ],
)
def test_wrong_words(word, line, trials, tmp_path):
    with pytest.raises(UsageError, match=line):
        trials("never", word)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_another_search_and_an_unknown_metric(trials, no_picture, monkeypatch):
    trials("made", "sweep.trials=1")
    with pytest.raises(UsageError, match="holds a search with metric val/loss, but val/accuracy was asked for"):
        trials("made", "sweep.metric=val/accuracy")
    monkeypatch.setattr(sweep, "words_of_a_run", lambda: ["model=lenet"])
    with pytest.raises(UsageError, match=r"holds a search with words \['model=mlp'\], but \['model=lenet'\]"):
        trials("made")
    with pytest.raises(UsageError, match=r"sweep.metric=val/los: unknown, did you mean 'val/loss'"):
        trials("other", "sweep.metric=val/los")


def test_words_of_a_run(monkeypatch):
    """Without those of the sweep, or each run would begin it anew."""
    words = ["sweep=grid", "model=mlp", "+sweep.space={seed:[1]}", "seed=1", "sweep.trials=3"]
    config = OmegaConf.create({"overrides": {"task": words}})
    monkeypatch.setattr("zoo.training.processes.HydraConfig", SimpleNamespace(get=lambda: config))
    assert words_of_a_run() == ["model=mlp", "seed=1"]


def test_without_optuna(monkeypatch):
    from zoo.commands.train import task

    monkeypatch.setattr("zoo.core.errors.find_spec", lambda name: None)
    with pytest.raises(UsageError, match="sweep=optuna: needs the package optuna, which is not installed: pip install"):
        task(OmegaConf.create({"sweep": {}}))


def test_a_grid(start):
    """Hydra's: every combination."""
    words = ["model=mlp", "debug=fdr", "~callbacks.progress", "+trainer.enable_progress_bar=false", "name=grid"]
    assert start("sweep=grid", "hydra.sweeper.params={optimizer.lr:'0.1,0.2',seed:'3'}", *words) == 0
    made = [OmegaConf.load(run / "config.yaml") for run in Path("runs/grid").iterdir()]
    assert sorted((run.optimizer.lr, run.seed) for run in made) == [(0.1, 3), (0.2, 3)]


@pytest.mark.slow
def test_runs_of_their_own(tmp_path):
    """Real trials, in processes of their own."""
    words = ["sweep=optuna", "sweep.trials=2", "model=mlp", "trainer.max_epochs=1", "+trainer.limit_train_batches=1"]
    script = ROOT / "scripts/train.py"
    subprocess.run([sys.executable, str(script), *words, "logger=csv"], cwd=tmp_path, check=True)
    folder = tmp_path / "runs/mlp-digits-scratch/sweep"
    for row in table(str(folder)):
        run = folder / f"trial-00{row['trial']}"
        assert json.loads((run / "metrics.json").read_text())["val/loss"] == float(row["val/loss"])
        assert (run / "checkpoints/best.ckpt").exists()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_signal_to_the_search_ends_its_trial(number, tmp_path):
    """The trial saves its state and ends, and the search after it, with the status of the signal."""
    words = ["sweep=optuna", "sweep.trials=2", "model=mlp", "trainer.max_epochs=100000", "logger=csv"]
    search = subprocess.Popen(
        [sys.executable, str(ROOT / "scripts/train.py"), *words, "~callbacks.progress"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    last = tmp_path / "runs/mlp-digits-scratch/sweep/trial-000/checkpoints/last.ckpt"
    while not last.exists() and search.poll() is None:
        time.sleep(0.2)
    trial = int(Path(f"/proc/{search.pid}/task/{search.pid}/children").read_text().split()[0])
    search.send_signal(number)
    printed = search.communicate(timeout=60)[0]
    assert search.returncode == 128 + number, printed
    assert "Traceback" not in printed
    assert not Path(f"/proc/{trial}").exists()
    assert not (last.parents[2] / "trial-001").exists()

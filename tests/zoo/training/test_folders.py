"""A run's folder has one owner and loses nothing; what is resumed, and the data, are what they were."""

import multiprocessing
import os
import re
import signal
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from tests.zoo.training.test_unbroken import TINY
from zoo.core.errors import UsageError
from zoo.training import record
from zoo.training.checkpoint import is_damaged, read, write_sealed

RUN = [*TINY, "trainer.max_epochs=1"]


@pytest.fixture
def refused(start, capsys):
    """Runs a command, which must be refused in one line; gives the line."""

    def refused(*words: str) -> str:
        capsys.readouterr()
        status, err = start(*words), capsys.readouterr().err
        assert (status, err.count("\n")) == (2, 1), err
        return err

    return refused


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """The folder of a run, made by the first who needs it."""
    return tmp_path_factory.mktemp("made") / "run"


def one(number: int, names, ready) -> None:
    config = OmegaConf.create({"name": "x", "paths": {"runs": "runs", "run": "???"}})
    ready.wait()
    with record.claimed(config) as folder:
        (folder / "mine").touch(exist_ok=False)
        names.put(str(folder))


def test_runs_of_the_same_second_have_folders_of_their_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(record.time, "strftime", lambda *_: "now")
    context = multiprocessing.get_context("fork")
    names, ready = context.Queue(), context.Barrier(6)
    processes = [context.Process(target=one, args=(number, names, ready)) for number in range(6)]
    for process in processes:
        process.start()
    assert len({names.get(timeout=60) for _ in processes}) == 6
    for process in processes:
        process.join()


def test_a_folder_has_one_owner(tmp_path):
    """As long as it lives: a claim of a process that was killed is none."""
    config = OmegaConf.create({"name": "x", "paths": {"runs": "runs", "run": str(tmp_path / "run")}})
    reading, telling = os.pipe()
    pid = os.fork()
    if pid == 0:
        with record.claimed(config):
            os.write(telling, b"x")
            signal.pause()
    os.read(reading, 1)
    with pytest.raises(UsageError, match=r"paths\.run=.*: another run writes into it"), record.claimed(config):
        pass
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    with record.claimed(config) as folder:
        assert folder == tmp_path / "run"


def test_nothing_old_is_written_over(start, call, refused):
    assert start(*RUN, "paths.run=old") == 0
    before = {path: path.read_bytes() for path in Path("old").rglob("*") if path.is_file()}
    assert "paths.run=old: is not empty" in refused(*RUN, "paths.run=old")
    assert "ckpt_path=old" in refused(*RUN, "seed=1", "paths.run=old")
    assert call("eval", "ckpt=old", "to=old") == 2
    assert {path: path.read_bytes() for path in Path("old").rglob("*") if path.is_file()} == before
    assert start(*RUN, "trainer.max_epochs=2", "paths.run=old", "ckpt_path=old") == 0


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (["seed=1"], "seed=0, but data.seed=1"),
        (["data.batch_size=9"], "data.batch_size=64, but data.batch_size=9"),
        (["data.shift=0"], "data.shift"),
        (["data=sequential_digits", "model=mlp"], "data"),
        (["trainer.precision=64-true"], "trainer.precision=.32-true"),
        (["trainer.accumulate_grad_batches=2"], "trainer.accumulate_grad_batches=1"),
        (["trainer.gradient_clip_val=1"], "trainer.gradient_clip_val=None"),
        (["penalty.l2=0.1"], "penalty.l2=0.0"),
    ],
    ids=lambda words: str(words),
)
def test_another_training_is_not_resumed(words, part, refused, start, made):
    if not made.exists():
        assert start(*RUN, f"paths.run={made}") == 0
    err = refused(*RUN, "trainer.max_epochs=2", *words, f"ckpt_path={made}", "paths.run=new")
    assert re.search(part, err), err
    assert not Path("new").exists()


def test_the_end_of_a_run_and_beyond(start, refused, capsys):
    words = [*TINY, "trainer.max_epochs=2"]
    assert start(*words, "paths.run=whole") == 0
    assert "2 epochs behind it; trainer.max_epochs=1" in refused(*TINY, "trainer.max_epochs=1", "ckpt_path=whole")
    assert start(*words, "ckpt_path=whole", "paths.run=again") == 0
    assert "trained to the end" in capsys.readouterr().out
    assert Path("whole/metrics.json").read_text() == Path("again/metrics.json").read_text()


def test_every_flipped_bit_of_a_checkpoint_is_noticed(tmp_path):
    path = tmp_path / "x.ckpt"
    write_sealed(path, {"weights": torch.randn(10)})
    assert not is_damaged(path)
    content = path.read_bytes()
    for place in range(0, len(content), 7):
        path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(UsageError, match="damaged"):
            read("ckpt", str(path))


def test_data_that_do_not_fit(tmp_path):
    folder = Path(os.environ.get("HANDGRAD_DATA", ""))
    if not (folder / "MNIST/raw").is_dir() or not (folder / "planetoid/Cora/raw").is_dir():
        pytest.skip("HANDGRAD_DATA names no folder with MNIST and planetoid")
    from zoo.data.mnist import FILES, MNISTData
    from zoo.data.planetoid import Citations

    (tmp_path / "MNIST/raw").mkdir(parents=True)
    (tmp_path / "planetoid/Cora/raw").mkdir(parents=True)
    for name in FILES:
        (tmp_path / "MNIST/raw" / name).symlink_to((folder / "MNIST/raw" / name).resolve())
    labels = tmp_path / "MNIST/raw/train-labels-idx1-ubyte"
    content = labels.read_bytes()
    labels.unlink()
    labels.write_bytes((folder / "MNIST/raw/t10k-labels-idx1-ubyte").read_bytes())
    with pytest.raises(UsageError, match=r"10000 labels, but .* has 60000 pictures"):
        MNISTData(str(tmp_path)).load()
    labels.write_bytes(content[:1000] + bytes([content[1000] ^ 1]) + content[1001:])
    with pytest.raises(UsageError, match="train-labels-idx1-ubyte: damaged"):
        MNISTData(str(tmp_path)).load()
    cora = Citations(str(tmp_path), "Cora")
    for name in cora.files:
        (cora.folder / name).write_bytes((folder / "planetoid/Cora/raw" / name).read_bytes())
    index = cora.folder / "ind.cora.test.index"
    index.write_text("\n".join(index.read_text().split()[:-1]))
    with pytest.raises(UsageError, match=r"ind\.cora\.(tx|test\.index): does not fit the other files"):
        cora.load()

"""Many processes come to what one comes to with all their batches; and when one dies, none waits for it."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf

from tests.zoo.runs import ROOT, checkpoint
from tests.zoo.training import parallel_runs
from zoo.core.distributed import dealt
from zoo.core.errors import Failure, UsageError
from zoo.training.processes import meet

MLP = ["model=mlp", "model.width=8", "trainer=ddp_cpu", "data.batch_size=4", "paths.run=run", "logger=csv"]
MLP += ["~callbacks.progress", "+trainer.enable_progress_bar=false"]  # or the pipe fills up


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def environment() -> dict[str, str]:
    parallel = ("RANK", "WORLD_SIZE", "MASTER_", "NODE_RANK", "LOCAL_", "TORCHELASTIC", "HANDGRAD_FOLDER")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(parallel)}
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**kept, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"}


def torchrun(folder: Path, *command: str, nodes: int = 2) -> list[subprocess.Popen]:
    """A machine for each node, with an address of its own."""
    port = free_port()
    words = [sys.executable, "-m", "torch.distributed.run", f"--nnodes={nodes}", "--nproc-per-node=1"]
    words += ["--master-addr=127.0.0.1", f"--master-port={port}"]
    return [
        subprocess.Popen(
            [*words, f"--node-rank={node}", f"--local-addr=127.0.0.{node + 1}", *command],
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for node in range(nodes)
    ]


def train(folder: Path, *words: str, **variables: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, str(ROOT / "scripts/train.py"), *words],
        cwd=folder,
        env=environment() | variables,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


@pytest.mark.slow
def test_two_machines_come_to_what_one_does_with_both_batches(tmp_path):
    """Every model, some with torch's layers too: weights, and the momentum, which holds all the gradients."""
    processes = torchrun(tmp_path, str(ROOT / "tests/zoo/training/parallel_runs.py"), str(tmp_path / "two"), "2")
    for model, impl in parallel_runs.RUNS:
        parallel_runs.run(model, impl, tmp_path / "one", 1)
    for process in processes:
        assert process.wait() == 0, process.communicate()[0]
    for run in sorted((tmp_path / "one").iterdir()):
        one, two = checkpoint(run), checkpoint(tmp_path / "two" / run.name)
        assert one["global_step"] == two["global_step"] == parallel_runs.STEPS, run.name
        for name, weight in one["state_dict"].items():
            torch.testing.assert_close(
                two["state_dict"][name], weight, rtol=1e-10, atol=1e-12, msg=f"{run.name} {name}"
            )
        moments = [kept["optimizer_states"][0]["state"] for kept in (one, two)]
        assert moments[0].keys() == moments[1].keys() != set()
        for number, state in moments[0].items():
            found = moments[1][number]["momentum_buffer"]
            torch.testing.assert_close(found, state["momentum_buffer"], rtol=1e-10, atol=1e-12, msg=run.name)


@pytest.mark.slow
def test_one_folder_and_measurements_over_all(tmp_path):
    """A sweep of two runs in two processes each: one folder a run, and the test on all examples, each once."""
    words = ["paths.runs=runs", "+trainer.limit_train_batches=2", "trainer.max_epochs=1", "seed=0,1"]
    process = train(tmp_path, "-m", *[word for word in MLP if word != "paths.run=run"], *words)
    printed = process.communicate()[0]
    assert process.returncode == 0, printed
    first, second = sorted((tmp_path / "runs/mlp-digits-scratch").iterdir())
    assert printed.count("test/accuracy") == 2
    for folder in (first, second):
        header, *_, last = (folder / "csv/metrics.csv").read_text().splitlines()
        measured = dict(zip(header.split(","), last.split(","), strict=True))
        right = float(measured["test/accuracy"]) * 360
        assert right == pytest.approx(round(right), abs=1e-3)
        assert (folder / "pictures/confusion_matrix.png").exists()


@pytest.mark.slow
def test_processes_that_slurm_started(tmp_path):
    """Two tasks with the environment that srun gives them: one run, in one folder, that ends like torchrun's."""
    task = {
        "SLURM_JOB_ID": "17", "SLURM_JOB_NAME": "digits", "SLURM_NTASKS": "2", "SLURM_NTASKS_PER_NODE": "1",
        "SLURM_NODELIST": "127.0.0.1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port()),
    }  # fmt: skip
    words = [*MLP, "trainer.devices=1", "trainer.num_nodes=2", "+trainer.limit_train_batches=4", "trainer.max_epochs=1"]
    words = [word for word in words if word != "paths.run=run"]
    processes = [
        train(tmp_path, *words, **task, SLURM_PROCID=str(rank), SLURM_NODEID=str(rank), SLURM_LOCALID="0")
        for rank in range(2)
    ]
    printed = [process.communicate()[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0], printed
    assert ["test/accuracy" in text for text in printed] == [True, False]
    (folder,) = (tmp_path / "runs/mlp-digits-scratch").iterdir()
    assert folder.name == "slurm-17"
    other = torchrun(tmp_path, str(ROOT / "scripts/train.py"), *words, "paths.run=other")
    assert [process.wait() for process in other] == [0, 0]
    for name, weight in checkpoint(tmp_path / "other")["state_dict"].items():
        assert torch.equal(weight, checkpoint(folder)["state_dict"][name])


@pytest.mark.slow
@pytest.mark.parametrize("victim", [0, 1])
def test_one_dies_and_none_waits(victim, tmp_path):
    process = train(tmp_path, *MLP, "trainer.max_epochs=10000")
    last = tmp_path / "run/checkpoints/last.ckpt"
    while not last.exists() and process.poll() is None:
        time.sleep(0.2)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    os.kill([process.pid, int(children[0])][victim], signal.SIGKILL)
    printed = process.communicate(timeout=60)[0]  # to its end, which comes when no process is left to print
    assert process.returncode == (1 if victim else -signal.SIGKILL)
    assert "error: " in printed
    if victim:
        assert "process 1 was killed by signal 9" in printed
    assert checkpoint(tmp_path / "run")["global_step"] > 0


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_to_one_ends_all_with_one_line(number, tmp_path):
    """Ctrl-C in a terminal reaches all processes, a signal of a batch system the first: both save and end."""
    process = train(tmp_path, *MLP, "trainer.max_epochs=10000")
    last = tmp_path / "run/checkpoints/last.ckpt"
    while not last.exists() and process.poll() is None:
        time.sleep(0.2)
    children = [*map(int, Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split())]
    for pid in [process.pid, *(children if number == signal.SIGINT else [])]:
        os.kill(pid, number)
    printed = process.communicate(timeout=60)[0]  # to its end, which comes when no process is left to print
    assert process.returncode == 128 + number, printed
    assert printed.count("Interrupted by ") == 1, printed
    assert "Traceback" not in printed
    assert "error: " not in printed
    assert checkpoint(tmp_path / "run")["global_step"] > 0


PARALLEL = {"trainer": {"strategy": "ddp"}}


def test_what_keeps_processes_from_meeting_is_said(monkeypatch, capsys):
    monkeypatch.setattr("zoo.training.processes.is_first", lambda: False)
    for name in ("TORCHELASTIC_RUN_ID", "HANDGRAD_FOLDER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(free_port()))
    meet(OmegaConf.create(PARALLEL))
    assert f"waiting for the first process at MASTER_ADDR=127.0.0.1 MASTER_PORT={os.environ['MASTER_PORT']}" in (
        capsys.readouterr().err
    )
    monkeypatch.setenv("MASTER_ADDR", "no such host")
    with pytest.raises(Failure, match=r"MASTER_ADDR=no such host MASTER_PORT=.*: no such address"):
        meet(OmegaConf.create(PARALLEL))


def test_a_taken_port_is_said(monkeypatch):
    monkeypatch.delenv("TORCHELASTIC_RUN_ID", raising=False)
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    with socket.socket() as owner:
        owner.bind(("", 0))
        owner.listen()
        monkeypatch.setenv("MASTER_PORT", str(owner.getsockname()[1]))
        with pytest.raises(Failure, match=r"MASTER_PORT=\d+: .*another program has it"):
            meet(OmegaConf.create(PARALLEL))


@pytest.mark.slow
def test_sharded_is_the_same_and_resumes(tmp_path):
    """FSDP2 ends with the weights of plain data parallel training, and goes on from its checkpoint. In float32,
    since Lightning's strategy takes no double, and with SGD: Adam would turn rounding errors of a 0 into steps."""
    model = ["model=transformer", *[word for word in parallel_runs.SMALL["transformer"] if not word.startswith("+")]]
    words = [
        *model,
        "optimizer=sgd",
        "optimizer.momentum=0.9",
        "logger=csv",
        "+trainer.limit_train_batches=5",
    ]
    words += ["+trainer.limit_val_batches=1", "+trainer.limit_test_batches=1", "trainer.max_epochs=1"]
    sharded = ["trainer=fsdp", "trainer.accelerator=cpu", "trainer.devices=2"]
    for name, trainer in (("plain", ["trainer=ddp_cpu"]), ("sharded", sharded)):
        process = train(tmp_path, *words, *trainer, f"paths.run={name}")
        assert process.wait() == 0, process.communicate()[0]
    plain, shared = (checkpoint(tmp_path / name)["state_dict"] for name in ("plain", "sharded"))
    assert plain.keys() == shared.keys()
    for name, weight in plain.items():
        torch.testing.assert_close(shared[name], weight, rtol=1e-5, atol=1e-6, msg=name)
    again = ["ckpt_path=sharded/checkpoints/last.ckpt", "trainer.max_epochs=2", "paths.run=resumed"]
    process = train(tmp_path, *words, *sharded, *again)
    assert process.wait() == 0, process.communicate()[0]


LAST_WORDS = """
import atexit
import time
from pathlib import Path

def threads():
    return [name for path in Path("/proc/self/task").glob("*/comm") if "gloo" in (name := path.read_text().strip())]

atexit.register(lambda: print("left:", threads()))  # the first comes last

import torch.distributed as dist
import zoo.core.distributed

dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
deadline = time.monotonic() + 60
while not threads() and time.monotonic() < deadline:  # each names itself, once it gets to run
    time.sleep(0.01)
print("before:", threads())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the names of threads in /proc")
def test_no_thread_of_gloo_outlives_python():
    """One that does may abort a run that has ended well."""
    done = subprocess.run([sys.executable, "-c", LAST_WORDS], env=environment(), capture_output=True, text=True)
    before, left = done.stdout.splitlines()
    assert "gloo" in before
    assert left == "left: []"


@pytest.mark.parametrize("count", [2, 3, 7, 16, 17, 33])
@pytest.mark.parametrize("size", [1, 4])
def test_dealt(count, size):
    """Every example once, and as many batches for one process as for the other, none of them empty."""
    hands = [dealt(count, size, rank, 2) for rank in range(2)]
    assert len(hands[0]) == len(hands[1])
    assert sorted(number for hand in hands for batch in hand for number in batch) == list(range(count))
    assert all(batch for hand in hands for batch in hand)


def test_dealt_to_too_many():
    with pytest.raises(UsageError, match="3 processes, but only 2 examples"):
        dealt(2, 4, 0, 3)

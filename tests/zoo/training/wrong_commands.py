"""A generator of wrong commands, each run in a process of its own that is forked when everything is imported."""

import importlib
import os
import random
import resource
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from tests.zoo.runs import composed
from zoo.training.build import flat, plain_values

TINY = ["model=mlp", "model.width=4", "data.image_size=8", "trainer.max_epochs=1", "+trainer.limit_train_batches=2"]
TINY += ["+trainer.limit_val_batches=1", "+trainer.limit_test_batches=1", "callbacks.progress=null", "logger=csv"]
TINY += ["callbacks.curves=null", "+trainer.enable_progress_bar=false", "paths.runs=runs"]
EVIL = [
    "null",
    "True",
    "-1",
    "0",
    "1.5",
    "1e400",
    "nan",
    "-inf",
    "x",
    "[]",
    "[1]",
    "{a:1}",
    "''",
    "''''",
    "1e-320",
    "☃",
]
EVIL += [
    "999999999999",
    "a=b",
    "a(b",
    "a{b",
    "a#b",
    "a,b",
    'a"b',
    "${x}",
    "${oc.env:NOWHERE}",
    "???",
    "a" * 300,
    "../..",
    "/",
]
GROUPS = ["impl", "data", "model", "optimizer", "scheduler", "trainer", "callbacks", "logger", "paths", "experiment"]
GROUPS += ["debug", "sweep"]
ADDED = ["max_steps", "min_steps", "val_check_interval", "limit_train_batches", "limit_val_batches", "max_time"]
ADDED += [
    "limit_test_batches",
    "check_val_every_n_epoch",
    "overfit_batches",
    "fast_dev_run",
    "detect_anomaly",
    "barebones",
]
OTHERS = {  # scripts and their options
    "eval": ["ckpt", "to", "seed", "trainer.precision", "data.batch_size", "model.width", "impl.layers", "trust"],
    "export": ["ckpt", "to", "seed", "data.batch_size"],
    "generate": ["ckpt", "prompt", "length", "temperature", "top_k", "seed"],
    "translate": ["ckpt", "text", "beam", "length_penalty", "max_length"],
    "verify": ["steps", "batches", "small", "optimizer.lr", "seed", "reference"],
    "seeds": ["seeds", "seed", "optimizer.lr", "paths.run"],
}
STREAMS = ("closed stdout", "closed stderr", "closed stdin", "pipe without reader", "full device")
SYSTEMS = ("read-only", "no folder", "a file in the way", "quota")


@dataclass
class Wrong:
    """A wrong command: script and words, and what is done to it from outside."""

    script: str
    words: list[str]
    stream: str = ""
    system: str = ""
    signal: int = 0
    after: float = 0.0  # seconds until the signal
    spoil: Callable[[], None] | None = field(default=None, repr=False)


@dataclass
class End:
    status: int
    err: str
    out: str


def commands(count: int, seed: int, checkpoints: dict[str, Path]) -> Iterator[Wrong]:
    """So many wrong commands, a tenth each of signals, streams, file systems and damaged checkpoints, the others of
    wrong values and groups."""
    draw = random.Random(seed)
    config: DictConfig = composed(*TINY)
    config.paths.run = "x"
    keys = sorted(key for key in flat(plain_values(config)) if not key.endswith(("_target_", "_partial_")))
    keys += [f"+trainer.{name}" for name in ADDED]
    for _ in range(count):
        kind = draw.random()
        if kind < 0.1:
            number = draw.choice([signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1])
            yield Wrong("train", [*TINY, "trainer.max_epochs=200"], signal=number, after=draw.uniform(0, 3))
        elif kind < 0.18:
            yield Wrong("train", TINY, stream=draw.choice(STREAMS))
        elif kind < 0.26:
            yield Wrong("train", [*TINY, "paths.run=there/run"], system=draw.choice(SYSTEMS))
        elif kind < 0.36:
            script = draw.choice(["eval", "export", "generate", "translate"])
            yield Wrong(script, ["ckpt=spoiled.ckpt"], spoil=spoiled(checkpoints, script, draw))
        elif kind < 0.5:
            script = draw.choice(list(OTHERS))
            name = checkpoints.get(script, checkpoints["eval"])
            base = [f"ckpt={name}"] if script in ("eval", "export", "generate", "translate") else list(TINY)
            base = ["model=mlp", "data.image_size=8", "steps=1"] if script == "verify" else base
            base += ["text=a"] * (script == "translate") + ["seeds=1"] * (script == "seeds")
            yield Wrong(script, [*base, f"{draw.choice(OTHERS[script])}={draw.choice(EVIL)}"])
        elif kind < 0.6:
            yield Wrong("train", [*TINY, f"{draw.choice(GROUPS)}={draw.choice(EVIL)}"])
        else:
            words = [f"{draw.choice(keys)}={draw.choice(EVIL)}" for _ in range(draw.choice([1, 1, 1, 2]))]
            yield Wrong("train", [*TINY, *words])


def spoiled(checkpoints: dict[str, Path], script: str, draw: random.Random) -> Callable[[], None]:
    """Writes spoiled.ckpt: a checkpoint with a flipped byte, cut off, or with a part that is missing or another."""
    import torch

    way, part = draw.choice(["flip", "cut", "drop", "other", "extra", "shape"]), draw.random()
    other: Any = draw.choice([None, 1, "x", [], {}, {"_target_": "os.system"}])

    def write() -> None:
        content = checkpoints.get(script, checkpoints["eval"]).read_bytes()
        place = int(part * len(content))
        if way in ("flip", "cut"):
            new = content[:place] + (bytes([content[place] ^ 1]) + content[place + 1 :] if way == "flip" else b"")
            Path("spoiled.ckpt").write_bytes(new)
            return
        kept = torch.load(checkpoints.get(script, checkpoints["eval"]), weights_only=True)
        inside = draw.choice(
            [kept, kept["config"], kept["hyper_parameters"], kept["state_dict"], kept["config"]["data"]]
        )
        name = sorted(map(str, inside))[int(part * len(inside))]
        if way == "drop":
            del inside[name]
        elif way == "shape" and kept["state_dict"]:
            kept["state_dict"][next(iter(kept["state_dict"]))] = torch.zeros(1)
        else:
            inside["new" if way == "extra" else name] = other
        torch.save(kept, "spoiled.ckpt")

    return write


def prepare() -> None:
    """Import what the commands would."""
    for name in ("run", "as_trained", "compilation", "learning_rate"):
        importlib.import_module(f"zoo.training.{name}")
    for name in ("eval", "export", "generate", "translate", "verify", "seeds", "sweep"):
        importlib.import_module(f"zoo.tools.{name}")
        if name != "sweep":
            importlib.import_module(f"scripts.{name}")
    importlib.import_module("scripts.train")


def begin(wrong: Wrong) -> None:
    """What the forked process does: the command, in the current folder."""
    from zoo.training.cli import command

    module = importlib.import_module(f"scripts.{wrong.script}")
    sys.argv = [f"scripts/{wrong.script}.py", *wrong.words]
    for name, number, mode in (("stdin", 0, "r"), ("stdout", 1, "w"), ("stderr", 2, "w")):
        gone = wrong.stream == f"closed {name}"
        stream = None if gone else open(number, mode, closefd=False)  # noqa: SIM115
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)
        if gone:
            os.close(number)
    if hasattr(module, "main"):
        module.main()
    else:
        command(module.task, wrong.script, getattr(module, "offer_checkpoint", lambda words: None))


def outcome(wrong: Wrong, folder: Path, limit: float = 60.0) -> End:
    """Run a command in a new folder; its end, with status 124 where it does not come."""
    folder.mkdir()
    ready, telling = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 99
        try:
            os.chdir(folder)
            os.setpgid(0, 0)
            for number, name in ((1, "out"), (2, "err")):
                os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT), number)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            surround(wrong)
            os.write(telling, b"x")
            begin(wrong)
            status = 0
        except SystemExit as end:
            status = end.code if isinstance(end.code, int) else int(end.code is not None)
        except BaseException:
            import traceback

            with open("uncaught", "w") as file:
                traceback.print_exc(file=file)
        finally:
            for stream in (sys.stdout, sys.stderr):
                try:
                    if stream is not None:
                        stream.flush()
                except (OSError, ValueError):
                    pass
            os._exit(status)
    os.close(telling)
    os.read(ready, 1)
    os.close(ready)
    began = time.monotonic()
    sent = not wrong.signal
    while True:
        found, ended = os.waitpid(pid, os.WNOHANG)
        if found:
            break
        passed = time.monotonic() - began
        if not sent and passed > wrong.after:
            os.kill(pid, wrong.signal)
            sent = True
        if passed > limit:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
            return End(124, read(folder / "err"), read(folder / "out"))
        time.sleep(0.01)
    uncaught = read(folder / "uncaught")
    return End(os.waitstatus_to_exitcode(ended), read(folder / "err") + uncaught, read(folder / "out"))


def read(path: Path) -> str:
    return path.read_text(errors="replace") if path.exists() else ""


def surround(wrong: Wrong) -> None:
    """What the command finds around it."""
    if wrong.spoil is not None:
        wrong.spoil()
    if wrong.stream == "pipe without reader":
        reading, writing = os.pipe()
        os.close(reading)
        os.dup2(writing, 1)
    elif wrong.stream == "full device" and os.path.exists("/dev/full"):
        os.dup2(os.open("/dev/full", os.O_WRONLY), 1)
    if wrong.system == "read-only":
        os.symlink("/proc/self", "there")  # a file system in which not even root can write
    elif wrong.system == "no folder":
        os.symlink("/proc/nowhere", "there")
    elif wrong.system == "a file in the way":
        Path("there").touch()
    elif wrong.system == "quota":
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))

"""The folder of a run, and the records in it by which the run can be repeated."""

import json
import os
import platform
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.metadata import distributions
from pathlib import Path
from typing import IO, Any

import torch
from hydra.errors import InstantiationException
from omegaconf import DictConfig, OmegaConf

from zoo.core.errors import UsageError
from zoo.training.cli import program

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

ROOT = Path(__file__).parents[2]


_claims: dict[Path, IO[str]] = {}  # the folders of this process, each with its lock, which ends with the process


@contextmanager
def claimed(config: DictConfig, going_on: Path | None = None, key: str = "paths.run") -> Iterator[Path]:
    """The run's folder, made and claimed for this process alone: paths.run, or a new one named after the time.

    Args:
        going_on: the checkpoint to go on from. Where it is not in the folder, this must be new or empty.
        key: the option that names the folder, for the message.

    A folder in which nothing has been written is removed again where the work inside ends with an error, and so is one
    with the records of a run that was refused. Raises
    UsageError for a folder that another process writes into, or that holds something already.
    """
    if not OmegaConf.is_missing(config.paths, "run"):
        folder = Path(str(config.paths.run))
        parents = [parent for parent in folder.parents if not parent.exists()]
        made = not folder.exists()
        make(folder, True, key)
    else:
        parent, now = Path(config.paths.runs) / config.name, time.strftime("%Y-%m-%d_%H-%M-%S")
        parents = [each for each in (parent, *parent.parents) if not each.exists()]
        made = True
        for name in (now, *(f"{now}_{count}" for count in range(2, 10**6))):
            folder = parent / name
            if make(folder, False, key):
                break
    try:
        lock(folder, key)
        found = sorted(path.name for path in folder.iterdir() if path.name != LOCK)
        if found and not (going_on and going_on.resolve().is_relative_to(folder.resolve())):
            how = f", or go on with that run: ckpt_path={folder}" if key == "paths.run" else ""
            raise UsageError(f"{key}={folder}: is not empty, it holds {found[0]}; take another folder{how}")
        yield folder
    except BaseException as error:
        release(folder)
        refused = isinstance(error, (UsageError, InstantiationException)) and not (folder / "checkpoints").exists()
        if made and (refused or not any(folder.iterdir())):
            shutil.rmtree(folder, ignore_errors=True)  # the right command may take this name
            for empty in parents:
                with suppress(OSError):
                    empty.rmdir()
        raise
    release(folder)


def make(folder: Path, exist_ok: bool, key: str) -> bool:
    """Make the folder; whether it was not there. Raises UsageError where it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=exist_ok)
    except FileExistsError as error:
        if not exist_ok:
            return False
        raise UsageError(f"{key}={folder}: no folder can be made there: {error.strerror}") from error
    except OSError as error:
        raise UsageError(f"{key}={folder}: no folder can be made there: {error.strerror}") from error
    return True


LOCK = ".lock"


def lock(folder: Path, key: str) -> None:
    """Claim the folder until this process ends or releases it. Raises UsageError where another one has claimed it."""
    if fcntl is None or folder in _claims:
        return
    try:
        file = (folder / LOCK).open("a")
    except OSError as error:
        raise UsageError(f"{key}={folder}: nothing can be written there: {error.strerror}") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if not os.path.samestat(os.fstat(file.fileno()), (folder / LOCK).stat()):
            raise BlockingIOError  # another process has just removed this file, and a third may have made a new one
    except (BlockingIOError, FileNotFoundError):
        file.close()
        raise UsageError(f"{key}={folder}: another run writes into it; take another folder") from None
    except OSError:  # some network file systems have no locks
        pass
    _claims[folder] = file


def release(folder: Path) -> None:
    """Give up the claim of a folder."""
    if folder in _claims:
        (folder / LOCK).unlink(missing_ok=True)
        _claims.pop(folder).close()


def begin(config: DictConfig) -> None:
    """Write the records of what is run into the run's folder.

    config.yaml, the resolved configuration; command.txt; record.json: seed, versions, commit, machine; and where the
    working tree differs from that commit, changes.patch.
    """
    folder = Path(config.paths.run)
    OmegaConf.save(config, folder / "config.yaml", resolve=True)
    (folder / "command.txt").write_text(
        shlex.join([*program(), *sys.argv[1:]]) + "\n", encoding="utf-8", errors="surrogateescape"
    )
    commit, changed, patch = state_of_the_code()
    record = {
        "began": time.strftime("%Y-%m-%d %H:%M:%S %z"),
        "seed": config.get("seed"),
        "tags": OmegaConf.to_container(config.get("tags") or OmegaConf.create([])),
        "commit": commit,
        "changed": changed,
        "threads": torch.get_num_threads(),
        "machine": f"{platform.system()} {platform.machine()}",
        "gpu": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "python": platform.python_version(),
        "versions": versions(),
    }
    write(record, folder / "record.json")
    if patch:
        (folder / "changes.patch").write_bytes(patch)


def end(folder: Path, metrics: dict[str, float]) -> None:
    """Write the metrics of the run to metrics.json in its folder."""
    write(metrics, folder / "metrics.json")


def write(content: Any, path: Path) -> None:
    """Write JSON."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """Every installed package and its version."""
    read = [package.metadata for package in distributions()]  # each once: reading takes longer than all else here
    found = {package["Name"]: package["Version"] for package in read}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def state_of_the_code() -> tuple[str | None, list[str], bytes]:
    """The commit, the files that differ from it, and the differences as a patch.

    None and empty where there is no git, or where the program does not lie in a repository of its own.
    """
    if git("rev-parse", "--show-toplevel").strip() != os.fsencode(ROOT.resolve()):
        return None, [], b""
    changed = git("status", "--porcelain").decode(errors="replace").splitlines()
    return git("rev-parse", "HEAD").decode().strip() or None, changed, git("diff", "--binary", "HEAD")


def git(*words: str) -> bytes:
    """The output of git in the program's folder; empty where it fails or is not installed."""
    try:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return b""

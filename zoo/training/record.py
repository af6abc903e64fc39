"""The folder of a run, and the records in it by which the run can be repeated."""

import json
import os
import platform
import shlex
import subprocess
import sys
import time
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf

from zoo.core.errors import UsageError
from zoo.training.cli import program

ROOT = Path(__file__).parents[2]


def new_folder(config: DictConfig) -> Path:
    """The path of the run's folder: paths.run, or a new one named after the time. `begin` makes the folder."""
    if not OmegaConf.is_missing(config.paths, "run"):
        return Path(str(config.paths.run))
    parent, now = Path(config.paths.runs) / config.name, time.strftime("%Y-%m-%d_%H-%M-%S")
    names = (now, *(f"{now}_{count}" for count in range(2, 1000)))
    return next(parent / name for name in names if not (parent / name).exists())


def begin(config: DictConfig) -> None:
    """Make the run's folder, with the records of what is run.

    config.yaml, the resolved configuration; command.txt; record.json: seed, versions, commit, machine; and where the
    working tree differs from that commit, changes.patch.
    """
    folder = Path(config.paths.run)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (PermissionError, FileNotFoundError, FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"paths.run={folder}: no folder can be made there: {error.strerror}") from error
    OmegaConf.save(config, folder / "config.yaml", resolve=True)
    (folder / "command.txt").write_text(shlex.join([*program(), *sys.argv[1:]]) + "\n")
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


def end(config: DictConfig, metrics: dict[str, float]) -> None:
    """Write the metrics of the run to metrics.json."""
    write(metrics, Path(config.paths.run) / "metrics.json")


def write(content: Any, path: Path) -> None:
    """Write JSON."""
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """Every installed package and its version."""
    found = {package.metadata["Name"]: package.version for package in distributions()}
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

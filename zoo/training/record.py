"""What a run writes down about itself, so that it can be repeated."""

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


def new_folder(config: DictConfig) -> Path:
    """A name for the run's folder that no other run has; the folder itself is made when the run begins."""
    if not OmegaConf.is_missing(config.paths, "run"):
        return Path(str(config.paths.run))
    parent, now = Path(config.paths.runs) / config.name, time.strftime("%Y-%m-%d_%H-%M-%S")
    names = (now, *(f"{now}_{count}" for count in range(2, 1000)))
    return next(parent / name for name in names if not (parent / name).exists())


ROOT = Path(__file__).parents[1]


def begin(config: DictConfig, folder: Path) -> None:
    """Make the run's folder with config.yaml (resolved), command.txt, record.json (seed, versions, commit, machine)
    and, where the working tree differs from that commit, changes.patch."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (PermissionError, FileNotFoundError, FileExistsError, NotADirectoryError) as error:
        raise UsageError(f"paths.run={folder}: no folder can be made there: {error.strerror}") from error
    OmegaConf.save(config, folder / "config.yaml", resolve=True)
    (folder / "command.txt").write_text(shlex.join([os.path.basename(sys.executable), *sys.argv]) + "\n")
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


def end(metrics: dict[str, float], folder: Path) -> None:
    """What came out: metrics.json."""
    write(metrics, folder / "metrics.json")


def write(content: Any, path: Path) -> None:
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def versions() -> dict[str, str]:
    """Every installed package."""
    found = {package.metadata["Name"]: package.version for package in distributions()}
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def state_of_the_code() -> tuple[str | None, list[str], bytes]:
    """The commit, the files that differ from it, and how; None and nothing where there is no git, or no repository of
    this program's own."""
    if git("rev-parse", "--show-toplevel").strip() != os.fsencode(ROOT.resolve()):
        return None, [], b""
    changed = git("status", "--porcelain").decode(errors="replace").splitlines()
    return git("rev-parse", "HEAD").decode().strip() or None, changed, git("diff", "--binary", "HEAD")


def git(*words: str) -> bytes:
    """What git answers here; nothing where it fails or is not installed."""
    try:
        return subprocess.run(["git", *words], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return b""

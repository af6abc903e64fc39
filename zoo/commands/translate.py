"""Translate texts: handgrad-translate ckpt=… "Ein Hund schläft." (--help lists the choices)."""

import re
import sys
from typing import TYPE_CHECKING

from zoo.commands import begin

if TYPE_CHECKING:
    from omegaconf import DictConfig


def with_text(words: list[str]) -> list[str]:
    """The words of the command line, with those that are neither key=value nor an option joined in one text=…"""
    from zoo.training.cli import quoted

    options = [word for word in words if re.match(r"[~+]*[\w.@/]+=|--?\w", word)]
    text = [word for word in words if word not in options]
    return [quoted(word, "text") for word in options + [f"text={' '.join(text)}"] * bool(text)]


def task(config: "DictConfig") -> None:
    from zoo.tools.translate import translate

    translate(config)


def main() -> None:
    cli = begin()
    sys.argv[1:] = with_text(sys.argv[1:])
    cli.command(task, "translate")

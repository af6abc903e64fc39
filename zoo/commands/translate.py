"""Translate texts: handgrad-translate ckpt=… "Ein Hund schläft." (--help lists the choices)."""

import re
import sys

from omegaconf import DictConfig

from zoo.training.cli import command, quoted


def with_text(words: list[str]) -> list[str]:
    """The words of the command line, with those that are neither key=value nor an option joined in one text=…"""
    options = [word for word in words if re.match(r"[~+]*[\w.@/]+=|--?\w", word)]
    text = [word for word in words if word not in options]
    return [quoted(word, "text") for word in options + [f"text={' '.join(text)}"] * bool(text)]


def task(config: DictConfig) -> None:
    from zoo.tools.translate import translate

    translate(config)


def main() -> None:
    sys.argv[1:] = with_text(sys.argv[1:])
    command(task, "translate")

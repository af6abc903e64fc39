"""Let a language model write: python scripts/generate.py ckpt=… prompt="To be, or" (--help lists the choices)."""

import re
import sys

from omegaconf import DictConfig

from zoo.cli import command


def quoted(word: str) -> str:
    """prompt=… in Hydra's quotation marks, so that it may contain anything: a comma, a colon, a number, a new line."""
    key, _, prompt = word.partition("=")
    if key != "prompt" or prompt == "null":
        return word
    inside = re.sub(r"(\\*)('|$)", lambda end: end[1] * 2 + ("\\'" if end[2] else ""), prompt.replace("${", r"\${"))
    return f"prompt='{inside}'"


def task(config: DictConfig) -> None:
    from zoo.generation import write

    write(config)


if __name__ == "__main__":
    sys.argv[1:] = map(quoted, sys.argv[1:])
    command(task, "generate")

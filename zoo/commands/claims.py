"""Run what the lecture notes claim: handgrad-claims vanish_depth, … all, … list (--help lists the choices)."""

import sys
from typing import TYPE_CHECKING

from zoo.commands import begin

if TYPE_CHECKING:
    from omegaconf import DictConfig


def run(config: "DictConfig") -> None:
    from zoo.claims.experiments import run_claims

    run_claims(config)


def main() -> None:
    names = [word for word in sys.argv[1:] if word.isidentifier()]
    words = [f"+{word}" if word.startswith("settings.") else word for word in sys.argv[1:] if word not in names]
    sys.argv[1:] = [*words, f"claims=[{','.join(names)}]"] if names else words
    begin().command(run, "claims")

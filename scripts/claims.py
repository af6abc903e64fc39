"""Run what the lecture notes claim: python scripts/claims.py vanish_depth, … all, … list (--help lists the choices)."""

import sys

from omegaconf import DictConfig

from zoo.cli import command


def task(config: DictConfig) -> None:
    from zoo.claims.experiments import run_claims

    run_claims(config)


if __name__ == "__main__":
    names = [word for word in sys.argv[1:] if word.isidentifier()]
    sys.argv[1:] = [word for word in sys.argv[1:] if word not in names] + [f"claims=[{','.join(names)}]"] * bool(names)
    command(task, "claims")

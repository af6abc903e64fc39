"""Race the optimizers: handgrad-race draws race.png, their paths on four surfaces and their loss on digits."""

import argparse
from pathlib import Path

from zoo.commands import in_one_line


def main() -> None:
    with in_one_line():
        from zoo.tools.race import RACERS, race

        parser = argparse.ArgumentParser(description=__doc__)
        parser.add_argument("--out", type=Path, default=Path("race.png"), help="the picture (default: race.png)")
        parser.add_argument("--steps", type=int, default=200, help="steps on a surface (default: 200)")
        parser.add_argument("--passes", type=int, default=20, help="over the digits, in gradients (default: 20)")
        parser.add_argument("--racers", nargs="+", choices=RACERS, default=list(RACERS), metavar="NAME",
                            help=f"who takes part, of: {', '.join(RACERS)} (default: all)")  # fmt: skip
        options = parser.parse_args()
        race(options.out, options.racers, options.steps, options.passes)

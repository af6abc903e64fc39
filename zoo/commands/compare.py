"""Compare runs: handgrad-compare RUN RUN draws their curves together and tabulates how they differ."""

import argparse
from pathlib import Path

from zoo.commands import in_one_line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("runs", nargs="+", type=Path, metavar="RUN", help="the folder of a run, two or more")
    parser.add_argument("--out", type=Path, default=Path("comparison.png"), help="the picture (default: %(default)s)")
    options = parser.parse_args()
    with in_one_line():
        from zoo.tools.compare import compare

        compare(options.runs, options.out)

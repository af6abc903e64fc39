"""Plant mistakes in the derivatives: python scripts/mutate.py linear softmax --per-function 3 --seed 0

Every mutant is printed with its fate; the exit status is 1 if one survives that is not known to change no gradient.
"""

import argparse
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for the tests, which are not installed

from scratch.testing.mutation import PAGES, mutants, plant


def main() -> int:
    every = sorted(path.stem for name, path in PAGES.items() if mutants(name))
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("op", nargs="*", help="pages of scratch/ops, without .py (default: all)")
    parser.add_argument("--per-function", type=int, default=3, help="mistakes in each function (default: 3)")
    parser.add_argument("--seed", type=int, default=0, help="of the choice among them (default: 0)")
    parser.add_argument("--case", default="", help="use the cases of this name only, such as Conv2d")
    options = parser.parse_args()
    for name in options.op:
        if name not in every:
            parser.error(f"no page of scratch/ops with derivatives is named {name}; there are {', '.join(every)}")
    files = [f"{name}.py" for name in options.op or every]
    return bool(plant(files, options.per_function, options.seed, options.case))


if __name__ == "__main__":
    sys.exit(main())

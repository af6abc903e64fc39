"""Compile ahead of time what impl=compiled would compile on first use: handgrad-build."""

import argparse
import sys

from zoo.commands import in_one_line


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog="Two may build at once, and one that was stopped goes on where it was. The files are in "
        "~/.cache/handgrad, or in the folder that HANDGRAD_CACHE names.",
    )
    parser.add_argument("names", nargs="*", help="only functions whose names contain one of these words, as lstm")
    parser.add_argument("--dtype", choices=("float32", "float64"), default="float32", help="(default: float32)")
    parser.add_argument("--missing", action="store_true", help="build nothing: tell what is not there; status 1 if any")
    with in_one_line():
        options = parser.parse_args()
        from zoo.tools.build import build

        sys.exit(0 if build(options.names, dtype=options.dtype, missing=options.missing) else 1)

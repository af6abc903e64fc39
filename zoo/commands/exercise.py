"""Exercises with a checker: handgrad-exercise list, lstm, hint lstm, check lstm (--help explains)."""

import sys

from zoo.commands import in_one_line


def main() -> None:
    with in_one_line():
        from scratch.testing.exercises import main as exercise

        sys.exit(exercise())

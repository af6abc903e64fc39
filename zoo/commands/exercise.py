"""Exercises with a checker: handgrad-exercise list, lstm, hint lstm, check lstm (--help explains)."""

import sys

from zoo.commands import begin


def main() -> None:
    with begin().mistakes_in_one_line(traceback_wanted=False):
        from scratch.testing.exercises import main as exercise

        sys.exit(exercise())

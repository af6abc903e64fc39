"""Exercises with a checker: python scripts/exercise.py list, lstm, hint lstm, check lstm (--help explains)."""

import sys

from scratch.testing.exercises import main

if __name__ == "__main__":
    sys.exit(main())

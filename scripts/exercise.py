"""Exercises with a checker: python scripts/exercise.py list, lstm, hint lstm, check lstm (--help explains)."""

from zoo.commands.exercise import main

if __name__ == "__main__":
    main()

"""Compare runs: python scripts/compare.py RUN RUN draws their curves together and tabulates how they differ."""

from zoo.commands.compare import main

if __name__ == "__main__":
    main()

"""Time an implementation against another: python scripts/benchmark.py (--help lists the choices)."""

from zoo.commands.benchmark import main

if __name__ == "__main__":
    main()

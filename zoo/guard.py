"""``python -m zoo.guard FILE``, the former name of ``python -m zoo.tools.rerun FILE``, which runs have printed."""

from zoo.tools.rerun import main

if __name__ == "__main__":
    main()

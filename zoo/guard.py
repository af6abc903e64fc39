"""``python -m zoo.guard FILE``, the former name of ``python -m zoo.tools.rerun FILE``, which runs have printed."""

if __name__ == "__main__":
    from zoo.tools.rerun import main

    main()

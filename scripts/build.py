"""Compile ahead of time what impl=compiled would compile on first use: python scripts/build.py."""

from zoo.commands.build import main

if __name__ == "__main__":
    main()

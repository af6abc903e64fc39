"""Train a model: python scripts/train.py model=lenet impl=scratch (--help lists the choices)."""

from zoo.commands.train import main

if __name__ == "__main__":
    main()

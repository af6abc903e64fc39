"""Validate and test a checkpoint: python scripts/eval.py ckpt=… (--help lists the choices)."""

from zoo.commands.eval import main

if __name__ == "__main__":
    main()

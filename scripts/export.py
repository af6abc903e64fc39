"""Export a checkpoint: python scripts/export.py ckpt=… (--help lists the choices)."""

from zoo.commands.export import main

if __name__ == "__main__":
    main()

"""Translate texts: python scripts/translate.py ckpt=… "Ein Hund schläft." (--help lists the choices)."""

from zoo.commands.translate import main

if __name__ == "__main__":
    main()

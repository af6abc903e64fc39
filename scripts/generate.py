"""Continue a text by a language model: python scripts/generate.py ckpt=… prompt="To be" (--help lists the choices)."""

from zoo.commands.generate import main

if __name__ == "__main__":
    main()

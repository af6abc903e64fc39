"""Compare an implementation with a reference: python scripts/verify.py model=lenet (--help lists the choices).

With the word `layers`, every layer is checked instead: python scripts/verify.py layers only=[Linear,Conv2d]
"""

from zoo.commands.verify import main

if __name__ == "__main__":
    main()

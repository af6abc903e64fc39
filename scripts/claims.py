"""Run what the lecture notes claim: python scripts/claims.py vanish_depth, … all, … list (--help lists the choices)."""

from zoo.commands.claims import main

if __name__ == "__main__":
    main()

"""Train under many seeds: python scripts/seeds.py experiment=gcn_cora seeds=100 (--help lists the choices)."""

from zoo.commands.seeds import main

if __name__ == "__main__":
    main()

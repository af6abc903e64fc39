"""Race the optimizers: python scripts/race.py draws race.png, their paths on four surfaces and their loss on digits."""

from zoo.commands.race import main

if __name__ == "__main__":
    main()

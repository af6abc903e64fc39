"""Seeds that have nothing to do with each other, from numbers that do."""

from random import Random


def mix(*numbers: int) -> int:
    """A 32-bit seed from a few integers. Neighbouring ones give unrelated seeds, which seed + step would not:
    the second epoch under seed 0 would be the first under seed 1."""
    return Random(" ".join(map(str, numbers))).getrandbits(32)

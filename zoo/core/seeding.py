"""Independent random seeds from a few integers."""

from random import Random


def mix(*numbers: int) -> int:
    """A 32-bit seed from a few integers, unrelated to the seeds of neighbouring integers.

    With seed + epoch instead, the second epoch under seed 0 would be the first one under seed 1.
    """
    return Random(" ".join(map(str, numbers))).getrandbits(32)

"""What comes out of an experiment: whether the claim holds, in English and Chinese."""

from collections.abc import Callable
from typing import NamedTuple

Text = tuple[str, str]  # English, Chinese
Numbers = dict[str, float]
Say = Callable[[str, str], str]


class Verdict(NamedTuple):
    """What came out: HOLDS, ONLY_IF with its condition, or FAILS; and one sentence that says why."""

    kind: str
    because: Text
    condition: Text | None = None


HOLDS, ONLY_IF, FAILS = "holds", "holds only if", "does not hold"
WORDS = {HOLDS: (HOLDS, "成立"), ONLY_IF: (ONLY_IF, "有条件成立"), FAILS: (FAILS, "不成立")}


def holds(because: Text) -> Verdict:
    return Verdict(HOLDS, because)


def only_if(condition: Text, because: Text) -> Verdict:
    return Verdict(ONLY_IF, because, condition)


def fails(because: Text) -> Verdict:
    return Verdict(FAILS, because)

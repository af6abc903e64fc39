"""What comes out of an experiment: whether the claim holds, in English and Chinese."""

import re
from collections import Counter
from collections.abc import Callable
from typing import Any, NamedTuple

Text = tuple[str, str]  # English, Chinese
LANGUAGES = {"en": 0, "zh": 1}
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


def turning(verdict: Verdict, kinds: list[str]) -> Text:
    """The reason, with a word on the seeds where they do not agree."""
    if len(set(kinds)) == 1:
        return verdict.because
    english, chinese = verdict.because
    counts = Counter(kinds).most_common()
    return (
        f"{english}; it turns with the seed: " + ", ".join(f"{count} × {WORDS[kind][0]}" for kind, count in counts),
        f"{chinese}；结论随种子而变：" + "，".join(f"{WORDS[kind][1]} {count} 次" for kind, count in counts),
    )


SUPERSCRIPTS = str.maketrans("+-0123456789", "⁺⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def written(text: Text | None) -> Text | None:
    """Numbers as one writes them: 2×10⁻⁷ for 2e-07, ∞ for inf, − for -, 0 for -0; in Chinese 1、2 and 3% besides."""

    def power(found: re.Match[str]) -> str:
        digits, exponent = found[1], int(found[2])
        if float(digits) == 0:
            return "0"
        ten = "10" + str(exponent).translate(SUPERSCRIPTS)
        return ten if digits == "1" else f"{digits}×{ten}"

    def number(words: str) -> str:
        words = re.sub(r"(\d[\d.]*)e([+-]\d+)", power, words)
        words = re.sub(r"(?<![\w.])-(?=[0.]*(?![\d.]))", "", words)
        return re.sub(r"\binf\b", "∞", re.sub(r"(?<![\w.])-(?=\d)", "−", words))

    if text is None:
        return None
    english, chinese = map(number, text)
    return english, re.sub(r"(?<=[\d∞)]), (?=[\d−∞])", "、", chinese.replace(" %", "%"))


def spoken(verdict: dict[str, Any], language: str) -> Text:
    """What a verdict in JSON is and why, as two sentences of one language."""
    place = LANGUAGES[language]
    stop = (".", "。")[place]
    if verdict["condition"] is None:
        said = WORDS[verdict["kind"]][place].capitalize() + stop
    else:
        condition = verdict["condition"][place]
        said = (f"Holds only if {condition}.", f"仅当{condition}时成立。")[place]
    because = verdict["because"][place]
    return said, because[0].upper() + because[1:] + stop

"""Formulas as the docstrings have them, in plain Unicode, as TeX: x̄ = ȳ Wᵀ is \\bar{x} = \\bar{y}\\, W^{\\top}.

segments    a line of a docstring -> stretches of text, code, mathematics and references to equations
tex         a stretch of mathematics -> TeX; raises Unconvertible for a letter that it does not know
"""

import re
import unicodedata
from collections.abc import Container, Iterator
from itertools import pairwise
from typing import NamedTuple


class Unconvertible(ValueError):
    """A formula with something in it that has no TeX here."""


def words(text: str) -> frozenset[str]:
    return frozenset(text.split())


ACCENTS = {"\u0307": r"\dot", "\u0304": r"\bar", "\u0302": r"\hat", "\u0303": r"\tilde", "\u0306": r"\breve"}
AFTER_ACCENTS = {"\u02d9": r"\dot"}  # where a letter has a hat already
SUPERSCRIPTS = {
    **dict(zip("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁼⁽⁾ⁱʲᵏⁿᶠᵍᵒʳᶻˣʸᵖᵗᵇᵉˢᵐ", "0123456789+-=()ijknfgorzxyptbesm", strict=True)),
    "ᵀ": r"\top ", "′": r"\prime ", "'": r"\prime ", "°": r"\circ ", "↑": r"\uparrow ", "ᶿ": r"\theta ",
}  # fmt: skip
SUBSCRIPTS = {
    **dict(zip("₀₁₂₃₄₅₆₇₈₉₊₋₌₍₎ₐₑₒₓₕₖₗₘₙₚₛₜᵢⱼᵣᵤᵥ", "0123456789+-=()aeoxhklmnpstijruv", strict=True)),
    "ᵦ": r"\beta ",
    "∞": r"\infty ",
}
GREEK = {
    letter: "\\" + unicodedata.name(letter).split()[-1].lower().replace("lamda", "lambda")
    for letter in "αβγδεζηθικλμνξπρστυφχψω"
} | {"ε": r"\varepsilon", "φ": r"\varphi"}
GREEK |= {letter: GREEK[letter.lower()].replace("var", "").title() for letter in "ΓΔΘΛΞΠΣΦΨΩ"}
LETTERS = {**GREEK, "ℓ": r"\ell", "∞": r"\infty", "∂": r"\partial ", "∇": r"\nabla ", "½": r"\tfrac12 ",
           "¼": r"\tfrac14 ", "¾": r"\tfrac34 ", "…": r"\dots", "⋯": r"\cdots", "∅": r"\emptyset"}  # fmt: skip
LARGE = {"Σ": r"\sum", "Π": r"\prod"}
RELATIONS = {
    "=": "=", "←": r"\leftarrow", "→": r"\to", "≥": r"\ge", "≤": r"\le", "≠": r"\ne", "<": "<", ">": ">",
    "≈": r"\approx",
    "∝": r"\propto", "∈": r"\in", "⇒": r"\Rightarrow", "↔": r"\leftrightarrow",
}  # fmt: skip
BINARY = {"+": "+", "−": "-", "-": "-", "·": r"\cdot", "×": r"\times", "⊙": r"\odot", "⊕": r"\oplus", "±": r"\pm",
          "∓": r"\mp", "/": "/", "∘": r"\circ", "⊗": r"\otimes"}  # fmt: skip
SEPARATORS = {",": ",", ";": ";", ":": ":", "!": "!", ".": "."}
OPENING = {"(": "(", "[": "[", "{": r"\{", "⟨": r"\langle ", "⌊": r"\lfloor ", "⌈": r"\lceil "}
CLOSING = {")": ")", "]": "]", "}": r"\}", "⟩": r"\rangle ", "⌋": r"\rfloor ", "⌉": r"\rceil "}
NAMES = words(  # of functions, which stand upright
    "exp log tanh sin cos tan max min mean sign softmax conv diag relu elu var erf mod Re Im attention fold "
    "unfold col2im im2col RMS NS source clip softplus celu selu sinc argmax len sum"
)
SHORT_WORDS = words(
    "of or by to as in is it so at no if on an be do we up go et al An As At By If In It No Of On Or So To We"
)
CALLED = words(  # functions where a bracket follows, else words
    "source attention fold unfold conv elu relu celu selu sum softmax len"
)
AFTER_A_SYMBOL = words("and or is are in of by the for from has have stands where with")

CODE = re.compile(
    r"``(?P<double>[^`]+)``|`(?P<single>[^`]+)`|(?P<string>\"[^\"\s]+\")"
    r"|(?P<path>(?:\.\./)?(?:[A-Za-z_]\w*/)*[A-Za-z_]\w+\.py\b)"
    r"|(?P<dotted>\b[A-Za-z_]\w+(?:\.[A-Za-z_]\w+)+)|(?P<name>\b[A-Za-z][A-Za-z0-9]+(?:_[A-Za-z0-9]+)+\b(?!\())"
    r"|(?P<option>\b[a-z_]+=(?:True|False|None)\b|\b(?:lr|eps|betas|lambd)\b)"
)
WITH_DIGIT = re.compile(r"log1p|col2im|im2col")
SYMBOL = re.compile(rf"{WITH_DIGIT.pattern}|[_^]\w+|_\{{[^}}]*\}}")
WORD = re.compile(r"[A-Za-zÀ-ÖØ-öø-ſ]+(?:[’'-][A-Za-zÀ-ÖØ-öø-ſ]+)*[’']?")
NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e[-−]?\d+)?")
REFERENCE = re.compile(r"\((\d+′?)\)")
POWER = re.compile(r"[-−+]?(?:\|[^|]+\||[0-9.]+[A-Za-zα-ω]?|[A-Za-zα-ω∞]+)")


class Segment(NamedTuple):
    kind: str  # "text", "code", "math" or "reference"
    text: str


class Token(NamedTuple):
    kind: str  # word, code, reference, space, open, close, relation, sign, separator, number or symbol
    text: str


def decomposed(letter: str) -> tuple[str, str]:
    """A letter and the accents on it, if all are accents of mathematics."""
    base, *marks = unicodedata.normalize("NFD", letter)
    return (base, "".join(marks)) if marks and all(mark in ACCENTS for mark in marks) else (letter, "")


def is_accented(text: str, place: int) -> bool:
    """Whether the letter at a place carries an accent of mathematics."""
    return bool(decomposed(text[place])[1]) or (text[place + 1 : place + 2] in ACCENTS and place + 1 < len(text))


def is_word(word: str) -> bool:
    """Whether letters in a row are a word of the language, and no product or name of a function."""
    if word in NAMES or len(word) == 1:
        return False
    return len(word) > 2 or word in SHORT_WORDS or "'" in word or "’" in word


def tokens(text: str, numbers: Container[str]) -> Iterator[Token]:
    place = 0
    while place < len(text):
        rest = text[place]
        if found := CODE.match(text, place):
            inner = found["double"] or found["single"]
            yield Token("code", inner or found.group())
        elif (
            (found := REFERENCE.match(text, place))
            and found[1] in numbers
            and text[place - 1 : place] in ("", " ", "(", "-")
        ):
            yield Token("reference", found[1])
        elif rest == " ":
            found = re.compile(" +").match(text, place)
            assert found
            yield Token("space", found.group())
        elif found := re.compile("['’]s\\b").match(text, place):  # W's
            yield Token("word", found.group())
        elif found := SYMBOL.match(text, place):
            yield Token("symbol", found.group())
        elif (found := WORD.match(text, place)) and not decomposed(rest)[1]:
            word, end = found.group(), found.end()
            if len(word) > 1 and end < len(text) and text[end] in ACCENTS:  # the accent is the last letter's
                word = word[:-1]
            accented = next((i for i, letter in enumerate(word) if decomposed(letter)[1]), len(word))
            word = word[:accented]
            single = re.match("[A-Za-z](?=-[a-z]{2}|['’]s$)", word)
            if single:  # the p of p-norm, the W of W's
                word = single.group()
            plain = is_word(word) or (word in CALLED and text[place + len(word) :][:1] not in ("(", "ᵀ"))
            yield Token("word" if plain else "symbol", word)
            place += len(word)
            continue
        elif found := NUMBER.match(text, place):
            yield Token("number", found.group())
        else:
            kind = (
                "open" if rest in OPENING else "close" if rest in CLOSING else "relation" if rest in RELATIONS
                else "sign" if rest in BINARY else "separator" if rest in SEPARATORS else "symbol"
            )  # fmt: skip
            yield Token(kind, rest)
            place += 1
            continue
        place = found.end()


def segments(text: str, numbers: Container[str] = ()) -> list[Segment]:
    """A line cut into text, code, formulas, and references to the equations of these numbers."""
    found: list[Segment] = []
    run: list[Token] = []

    def add(kind: str, piece: str) -> None:
        if piece and found and found[-1].kind == kind == "text":
            found[-1] = Segment("text", found[-1].text + piece)
        elif piece:
            found.append(Segment(kind, piece))

    def finish(following: Token | None) -> None:
        ends = [-1, *sorted(unmatched_brackets(run)), len(run)]  # brackets that enclose words are text
        for start, end in pairwise(ends):
            before, formula, after = trimmed(run[start + 1 : end], following if end == len(run) else None)
            add("text", before)
            add("math", formula)
            add("text", after + "".join(token.text for token in run[end : end + 1]))
        run.clear()

    stream = list(tokens(text, numbers))
    place = 0
    while place < len(stream):
        token = stream[place]
        if token.kind in ("word", "code", "reference"):
            finish(token)
            add({"word": "text"}.get(token.kind, token.kind), token.text)
        elif token.kind == "open" and run and run[-1].kind in ("symbol", "close") and (end := closing(stream, place)):
            run += stream[place:end]  # f(…), whatever stands between
            place = end
            continue
        elif token.kind == "separator" and not unmatched_brackets(run):
            finish(stream[place + 2] if place + 2 < len(stream) else None)
            add("text", token.text)
        else:
            run.append(token)
        place += 1
    finish(None)
    return found


def closing(stream: list[Token], place: int) -> int:
    """The place after the bracket that closes the one here; 0 where none does."""
    depth = 0
    for end in range(place, len(stream)):
        depth += {"open": 1, "close": -1}.get(stream[end].kind, 0)
        if depth == 0:
            return end + 1
    return 0


def trimmed(run: list[Token], following: Token | None) -> tuple[str, str, str]:
    """What of a run between words is a formula, and the punctuation around it."""
    first, last = 0, len(run)
    while first < last and run[first].kind in ("space", "separator"):
        first += 1
    while first < last and (run[last - 1].kind in ("space", "separator") or run[last - 1].text in "-/"):
        last -= 1
    parts = run[first:last]
    text = ["".join(token.text for token in piece) for piece in (run[:first], parts, run[last:])]
    words = [token.text for token in parts]
    if words[:2] in (["a", " "], ["A", " "]) and all(token.kind in ("symbol", "number", "sign") for token in parts[2:]):
        # a p, a 3×3
        return text[0] + words[0] + " ", "".join(words[2:]), text[2]
    meant = any(token.kind in ("symbol", "relation", "sign") and token.text not in NAMES for token in parts)
    if words in (["a"], ["A"]) and is_article(following):
        meant = False
    return (text[0], text[1], text[2]) if meant else ("", "", "".join(text))


def is_article(following: Token | None) -> bool:
    return following is not None and following.text not in AFTER_A_SYMBOL and following.kind != "reference"


def unmatched_brackets(run: list[Token]) -> list[int]:
    opened, lonely = [], []
    for place, token in enumerate(run):
        if token.kind == "open":
            opened.append(place)
        elif token.kind == "close":
            if opened:
                opened.pop()
            else:
                lonely.append(place)
    return opened + lonely


class Item:
    """A part of a formula: an atom with its scripts, a bracket with what is in it, a sign."""

    def __init__(self, kind: str, body: str, inside: str = "") -> None:
        self.kind, self.body, self.inside, self.sub, self.sup = kind, body, inside, "", ""
        self.applied = False  # a bracket that holds the argument of a function

    @property
    def is_factor(self) -> bool:
        return self.kind in ("atom", "group", "number")

    def __str__(self) -> str:
        sub = f"_{{{self.sub}}}" if self.sub else ""
        sup = f"^{{{self.sup.strip()}}}" if self.sup else ""
        return f"{self.body}{sub}{sup}"


class Parser:
    """One formula, read from left to right."""

    def __init__(self, text: str) -> None:
        self.text, self.place = unicodedata.normalize("NFC", text), 0

    def peek(self, count: int = 1) -> str:
        return self.text[self.place : self.place + count]

    def match(self, pattern: re.Pattern[str] | str) -> re.Match[str] | None:
        found = re.compile(pattern).match(self.text, self.place)
        if found:
            self.place = found.end()
        return found

    def items(self, end: str = "") -> list[Item]:
        found: list[Item] = []
        while self.place < len(self.text):
            if end and self.peek() in end:
                break
            self.step(found)
        return found

    def step(self, found: list[Item]) -> None:
        letter = self.peek()
        last = found[-1] if found else None
        touching = last is not None and last.kind in ("atom", "group", "large", "number", "name")
        if letter == " ":
            spaces = len(self.match(" +").group())  # type: ignore[union-attr]
            found.append(Item("space", r"\quad " if spaces > 1 else r"\,"))
        elif touching and last is not None and letter in SUPERSCRIPTS:
            while self.place < len(self.text) and self.peek() in SUPERSCRIPTS:
                last.sup += SUPERSCRIPTS[self.peek()]
                self.place += 1
        elif touching and last is not None and letter in SUBSCRIPTS:
            while self.place < len(self.text) and self.peek() in SUBSCRIPTS:
                last.sub += SUBSCRIPTS[self.peek()]
                self.place += 1
        elif touching and last is not None and letter == "_":
            self.place += 1
            last.sub += self.subscript()
        elif touching and last is not None and letter == "^":
            self.place += 1
            last.sup += self.power()
        elif (
            touching
            and last is not None
            and letter == "*"
            and self.text[self.place + 1 : self.place + 2] in ("", " ", ")", ",")
        ):
            self.place += 1
            last.sup += "*"
        elif touching and last is not None and letter in AFTER_ACCENTS:
            self.place += 1
            last.body = f"{AFTER_ACCENTS[letter]}{{{last.body}}}"
        elif letter == "√":
            self.place += 1
            found.append(Item("atom", rf"\sqrt{{{self.radicand()}}}"))
        elif letter in OPENING:
            found.append(self.group())
            found[-1].applied = touching
        elif letter in "|‖":
            found.append(self.bars(found))
        elif self.match("->"):
            found.append(Item("relation", r"\to"))
        elif sign := self.match("[-−+]="):
            found.append(Item("relation", rf"\mathrel{{{BINARY[sign.group()[0]]}}}="))
        elif letter in RELATIONS:
            self.place += 1
            found.append(Item("relation", RELATIONS[letter]))
        elif letter in BINARY:
            self.place += 1
            found.append(Item("slash" if letter == "/" else "sign", BINARY[letter]))
        elif letter in SEPARATORS:
            self.place += 1
            found.append(Item("separator", SEPARATORS[letter]))
        elif letter in LARGE and not is_accented(self.text, self.place):
            self.place += 1
            found.append(Item("large", LARGE[letter]))
        elif name := self.match(WITH_DIGIT):
            found.append(Item("name", rf"\text{{{name.group()}}}"))
        elif number := self.match(NUMBER):
            found.append(Item("number", self.numeral(number.group())))
        elif letter in "*%#":
            self.place += 1
            found.append(Item("atom", {"*": "{*}", "%": r"\%", "#": r"\#"}[letter]))
        elif code := self.match(CODE):
            found.append(Item("atom", code_in_tex(code["double"] or code["single"] or code.group())))
        else:
            self.letters(found)

    def letters(self, found: list[Item]) -> None:
        word = WORD.match(self.text, self.place)
        if word and not decomposed(self.peek())[1]:
            run = word.group()
            while len(run) > 1 and (
                (self.text[self.place + len(run) :][:1] in ACCENTS and self.place + len(run) < len(self.text))
                or any(decomposed(letter)[1] for letter in run)
            ):
                run = run[:-1]
            if run in NAMES:
                self.place += len(run)
                found.append(Item("name", rf"\operatorname{{{run}}}"))
                return
            if run == "in" and self.text[self.place - 1 : self.place] == " " and found and found[-1].kind == "space":
                self.place += 2
                found[-1] = Item("relation", r"\in")
                self.match(" ")
                return
            if is_word(run):
                self.words(found)
                return
            self.place += 1
            found.append(self.accented(run[0]))
            return
        letter = self.peek()
        base, _ = decomposed(letter)
        if not (base in LETTERS or (base.isascii() and base.isalpha())):
            raise Unconvertible(f"{letter!r} in {self.text!r}")
        self.place += 1
        found.append(self.accented(letter))

    def accented(self, letter: str) -> Item:
        """A letter that was just read, with the accents on it and after it."""
        base, marks = decomposed(letter)
        while self.place < len(self.text) and self.peek() in ACCENTS:
            marks += self.peek()
            self.place += 1
        body = LETTERS.get(base, base)
        for mark in marks:
            body = f"{ACCENTS[mark]}{{{body.strip()}}}"
        return Item("atom", body)

    def words(self, found: list[Item]) -> None:
        """Words in a formula, up to the next symbol."""
        text = self.match(WORD).group()  # type: ignore[union-attr]
        while True:
            more = re.compile(rf"([ ,;:.]+)({WORD.pattern})").match(self.text, self.place)
            if not more or not is_word(more[2]) or is_accented(self.text, more.end() - 1):
                break
            text += more.group()
            self.place = more.end()
        if found and found[-1].kind == "space":
            found.pop()
            text = " " + text
        if self.match(" +"):
            text += " "
        found.append(Item("text", rf"\text{{{text}}}"))

    def numeral(self, text: str) -> str:
        mantissa, _, exponent = text.partition("e")
        if not exponent:
            return text
        power = f"10^{{{exponent.replace('−', '-')}}}"
        return power if mantissa == "1" else rf"{mantissa} \cdot {power}"

    def subscript(self) -> str:
        if self.peek() == "{":
            self.place += 1
            inner = joined(self.items("}"))
            self.place += 1
            return inner
        found = self.match("[A-Za-z0-9]+")
        if not found:
            if self.peek() in GREEK:
                self.place += 1
                return GREEK[self.text[self.place - 1]]
            raise Unconvertible(f"an empty subscript in {self.text!r}")
        upright = len(found.group()) > 3 or found.group() in ("in", "out", "max", "min")
        return rf"\mathrm{{{found.group()}}}" if upright else found.group()

    def power(self) -> str:
        if self.peek() and self.peek() in "({":
            group = self.group()
            return group.inside
        found = self.match(POWER)
        if not found:
            raise Unconvertible(f"an empty power in {self.text!r}")
        return joined(Parser(found.group()).items())

    def group(self) -> Item:
        opening = self.peek()
        self.place += 1
        inside = joined(self.items("".join(CLOSING)))
        if self.place == len(self.text):
            raise Unconvertible(f"no closing bracket in {self.text!r}")
        closing = self.peek()
        self.place += 1
        left, right = (r"\left", r"\right") if r"\frac" in inside else ("", "")
        return Item("group", f"{left}{OPENING[opening]}{inside}{right}{CLOSING[closing]}", inside)

    def bars(self, found: list[Item]) -> Item:
        """|x|, ‖x‖, or a bar alone, between blanks, that parts the pieces of a function."""
        bar, tex_bar = self.peek(), {"|": "|", "‖": r"\Vert "}[self.peek()]
        self.place += 1
        if self.text[self.place - 2 : self.place - 1] == " " and self.peek() == " ":
            return Item("relation", r"\mid")
        end = self.text.find(bar, self.place)
        if end < 0:
            raise Unconvertible(f"a single {bar} in {self.text!r}")
        inside = joined(Parser(self.text[self.place : end]).items())
        self.place = end + 1
        return Item("group", f"{tex_bar}{inside}{tex_bar}", f"{tex_bar}{inside}{tex_bar}")

    def radicand(self) -> str:
        if self.peek() == "(":
            return self.group().inside
        found: list[Item] = []
        while self.place < len(self.text) and self.peek() not in " /)]},;":
            before = len(found)
            if found and found[-1].kind in ("atom", "number", "group") and not self.is_script():
                break
            self.step(found)
            if len(found) > before and found[-1].kind == "large":
                self.match(" ")
        return joined(found)

    def is_script(self) -> bool:
        return self.peek() in {*SUPERSCRIPTS, *SUBSCRIPTS, "_", "^"}


def code_in_tex(text: str) -> str:
    return rf"\mathtt{{{text}}}".replace("_", r"\_").replace("#", r"\#").replace("%", r"\%")


def joined(items: list[Item]) -> str:
    """Items as TeX: no blanks around signs, which have their own, fractions where both sides are one factor."""
    items = [item for place, item in enumerate(items) if item.kind != "space" or keeps(items, place)]
    items = with_fractions(items)
    parts: list[str] = []
    for item in items:
        piece = str(item)
        if parts and parts[-1][-1:].isalpha() and re.search(r"\\[A-Za-z]+$", parts[-1]) and piece[:1].isalpha():
            parts.append(" ")
        parts.append(
            f" {piece} " if item.kind in ("relation", "sign") else piece + " " if item.kind == "separator" else piece
        )
    return "".join(parts).strip()


def keeps(items: list[Item], place: int) -> bool:
    """Whether a blank shows: between two factors, and after a separator where it is wide."""
    if place in (0, len(items) - 1):
        return False
    around = {items[place - 1].kind, items[place + 1].kind}
    if items[place].body == r"\quad ":
        return True
    return not around & {"relation", "sign", "slash", "separator", "name", "text", "large"}


def with_fractions(items: list[Item]) -> list[Item]:
    """1 / (1 + e⁻ˣ) and γ (m + n) / (1 + v) as fractions, but not w x / √v nor x min(x, 6) / 6."""
    found = list(items)
    ends = ("relation", "sign", "separator", "text")
    for place in range(len(found) - 2, 0, -1):
        if place + 1 >= len(found):
            continue
        above, sign, below = found[place - 1 : place + 2]
        before = found[place - 2] if place > 1 else None
        starts = before is None or before.kind in ends
        if above.kind == "group" and not above.applied and before is not None:
            starts = before.kind not in ("slash", "name")
        ended = place + 2 >= len(found) or found[place + 2].kind in ends
        if not (sign.kind == "slash" and starts and ended and above.is_factor and below.is_factor):
            continue
        if "group" not in (above.kind, below.kind):
            continue
        bare = [
            item.inside if item.kind == "group" and not (item.sub or item.sup) else str(item) for item in (above, below)
        ]
        found[place - 1 : place + 2] = [Item("atom", rf"\frac{{{bare[0]}}}{{{bare[1]}}}")]
    return found


def tex(formula: str) -> str:
    """One formula as TeX. Raises Unconvertible."""
    parser = Parser(formula.strip())
    items = parser.items()
    return joined(items)

"""What the chapters print, in the language of the page.

The cells print in English, so that their code stays plain. Where the language is Chinese, print looks each text up
among the messages of locale/zh/LC_MESSAGES/printed.po, whose places {0}, {1} and so on stand for what was computed.
"""

import ast
import builtins
import re
import unicodedata
from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

from babel.messages.pofile import read_po

CATALOGUE = Path(__file__).resolve().parents[1] / "locale" / "zh" / "LC_MESSAGES" / "printed.po"
PLACE = re.compile(r"\{(\d+)\}")
FIELD = re.compile(r"\{[^}]*\}")
IN_VARIABLES = ("momentum", "momentum 0.9", "with", "without", "right", "sign missing", "bracket missing")


def messages(code: str) -> Iterator[str]:
    """The texts that a cell prints, as f-strings without what is computed."""
    for node in ast.walk(ast.parse(code)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            for argument in node.args:
                yield from (text for text in texts(argument) if re.search("[A-Za-z]{2}", PLACE.sub("", text)))


def texts(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(str() as text):
            yield text
        case ast.IfExp(body=body, orelse=other):
            yield from (*texts(body), *texts(other))
        case ast.Call(func=ast.Attribute(value=ast.Constant(str() as text), attr="format")):
            yield numbered(FIELD.split(text))
        case ast.JoinedStr(values=values):
            parts = [""]
            for value in values:
                if isinstance(value, ast.Constant):
                    parts[-1] += value.value
                elif isinstance(value, ast.FormattedValue):
                    yield from texts(value.value)
                    parts.append("")
            yield numbered(parts)


def numbered(parts: list[str]) -> str:
    return "".join(f"{{{place - 1}}}{part}" if place else part for place, part in enumerate(parts))


@cache
def known() -> list[tuple[re.Pattern[str], str]]:
    """What each message matches, and its Chinese; the longest first."""
    with CATALOGUE.open("rb") as file:
        pairs = {str(message.id): str(message.string) for message in read_po(file) if message.id and message.string}
    ordered = sorted(pairs, key=lambda text: -len(PLACE.sub("", text)))
    return [
        (re.compile(r"( *\S.*?)".join(map(re.escape, PLACE.split(text)[::2])), re.DOTALL), pairs[text])
        for text in ordered
    ]


def in_chinese(text: str) -> str:
    """A printed text in Chinese; as it is where it is no message."""
    for pattern, chinese in known():
        if found := pattern.fullmatch(text):
            pieces = PLACE.split(chinese)
            return "".join(
                piece if place % 2 == 0 else padded(found[int(piece) + 1]) for place, piece in enumerate(pieces)
            )
    return text


def padded(text: str) -> str:
    """What stands in a place, in Chinese; with spaces it is as wide as it was."""
    said = in_chinese(text.strip())
    in_a_column = text[-1] == " " or text in IN_VARIABLES
    return said + " " * (len(text) - width(said)) if in_a_column else text.replace(text.strip(), said)


def width(text: str) -> int:
    return sum(1 + (unicodedata.east_asian_width(letter) in "WF") for letter in text)


def print_in_chinese(say: Any, *values: object, **options: Any) -> None:
    say(*(in_chinese(value) if isinstance(value, str) else value for value in values), **options)


def install() -> None:
    builtins.print = partial(print_in_chinese, print)

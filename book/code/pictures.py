"""The chapters' pictures: how they look, which language they speak, and the things to move.

A picture's words go through `say`, which looks them up in locale/zh/LC_MESSAGES/pictures.po where the environment
variable HANDGRAD_LANGUAGE is zh. A picture stands in its page as an image with its caption, which is its text for
those who do not see it; a thing to move is such a picture that a script of _static/moves/ replaces.
"""

import html
import inspect
import io
import json
import os
import textwrap
from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Any

import matplotlib
from babel.messages.pofile import read_po
from IPython import get_ipython
from IPython.display import HTML, Markdown, display
from matplotlib.figure import Figure

from book.code import printed
from zoo.claims.drawing import settings

LANGUAGE = os.environ.get("HANDGRAD_LANGUAGE", "en")
CATALOGUE = Path(__file__).resolve().parents[1] / "locale" / "zh" / "LC_MESSAGES" / "pictures.po"
SCRIPTS = "../_static/moves"  # as seen from a chapter

if get_ipython() is not None:  # a chapter's own process
    matplotlib.rcParams.update(settings(LANGUAGE) | {"figure.facecolor": "white", "svg.hashsalt": "handgrad"})
    matplotlib.rcParams["font.family"] = [*reversed(matplotlib.rcParams["font.family"])]  # Latin letters as in English
    if LANGUAGE == "zh":
        printed.install()


@cache
def catalogue() -> dict[str, str]:
    with CATALOGUE.open("rb") as file:
        return {str(message.id): str(message.string) for message in read_po(file) if message.id and message.string}


def in_chinese(text: str) -> str:
    return catalogue().get(text, text)  # a test sees to it that none is missing


def say(text: str) -> str:
    """The text in the language of the page."""
    return in_chinese(text) if LANGUAGE == "zh" else text


def new_figure(width: float = 5.6, height: float = 3.2) -> Figure:
    """A figure in inches, narrow enough to be read on a phone."""
    return Figure(figsize=(width, height), layout="constrained")


def show(figure: Figure, caption: str) -> None:
    """The picture, above its caption in the language of the page."""
    words = html.escape(caption, quote=True)
    display(HTML(f'<figure class="picture">{image(figure, words)}<figcaption>{words}</figcaption></figure>'))


def show_source(*objects: Any) -> None:
    """The code of functions or classes, as it stands in their files."""
    display(Markdown("\n".join(f"```python\n{textwrap.dedent(inspect.getsource(each))}```" for each in objects)))


def image(figure: Figure, words: str) -> str:
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None})
    width = round(96 * figure.get_figwidth())
    source = f"data:image/svg+xml;base64,{b64encode(file.getvalue()).decode()}"
    return f'<img src="{source}" alt="{words}" style="width: 100%; max-width: {width}px; background: white">'


def move(name: str, figure: Figure, caption: str, labels: dict[str, str], data: Any = None) -> None:
    """The picture, and the script _static/moves/`name`.js that puts something to move in its place. The script finds
    the labels (by name, in English) in both languages in ``data-labels``, and the numbers in ``data-numbers``."""
    words = html.escape(caption, quote=True)
    both = {"en": labels, "zh": {key: in_chinese(label) for key, label in labels.items()}}
    attributes = {"data-move": name, "data-labels": json.dumps(both), "data-numbers": json.dumps(data)}
    written = " ".join(f'{key}="{html.escape(value, quote=True)}"' for key, value in attributes.items())
    display(HTML(
        f'<figure class="picture" {written}><div class="stage">{image(figure, words)}</div>'
        f"<figcaption>{words}</figcaption></figure>"
        f'<script src="{SCRIPTS}/moves.js"></script><script src="{SCRIPTS}/{name}.js"></script>'
    ))  # fmt: skip

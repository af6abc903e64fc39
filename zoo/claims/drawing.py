"""How the figures look: the claim as the title, the verdict under it, labels at the lines instead of legends.

Made for 600 pixels of width: 7 inches wide, no letter below 9 points. The colours are those of Okabe and Ito (Color
universal design, 2008), which the colour-blind tell apart; where more than colour is needed there are dashes.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.layout_engine import ConstrainedLayoutEngine

from zoo.claims.verdict import FAILS, HOLDS, ONLY_IF
from zoo.core.errors import UsageError

BLUE, RED, GREEN, ORANGE, PURPLE, SKY, GREY, INK = (
    *("#0072B2", "#D55E00", "#009E73", "#C88700", "#AA4A88", "#3D9AD1", "#767676", "#1b1b1b"),
)
COLOURS = (BLUE, RED, GREEN, PURPLE, ORANGE, SKY, INK)
MARKS = {HOLDS: ("✓", GREEN), ONLY_IF: ("◐", ORANGE), FAILS: ("✗", RED)}
WIDTH, HEIGHT = 7.0, 3.4  # inches of the panels, below the title
MARGIN, DPI = 0.12, 200
PUNCTUATION = "[，。；：、！？）」』”…—]*"
PIECE = re.compile(  # which no line is broken in: a Chinese letter, a word with a % after it, blanks
    rf"[\u2e80-\uffef]{PUNCTUATION}|[^\s\u2e80-\uffef]+(?: %\S*)?{PUNCTUATION}\s*|\s+"
)
CHINESE_FONTS = (  # the first that is there
    *("Noto Sans CJK SC", "Noto Sans SC", "Source Han Sans SC", "Source Han Sans CN", "PingFang SC"),
    *("Hiragino Sans GB", "Microsoft YaHei", "WenQuanYi Micro Hei", "WenQuanYi Zen Hei", "SimHei"),
    *("Noto Sans CJK JP", "Arial Unicode MS"),
)


def chinese_font() -> str:
    """The name of a font with Chinese letters. Raises UsageError, one line with the remedy, where there is none."""
    for look_again in (False, True):  # matplotlib remembers the fonts of the day it first ran
        if look_again:
            known = {entry.fname for entry in font_manager.fontManager.ttflist}
            for path in font_manager.findSystemFonts():
                if path not in known and re.search(r"cjk|han|hei|sc|gb|uni|msyh", Path(path).name, re.IGNORECASE):
                    font_manager.fontManager.addfont(path)
        names = {entry.name for entry in font_manager.fontManager.ttflist}
        for name in CHINESE_FONTS:
            if name in names:
                return name
    raise UsageError(
        "language=zh: no font with Chinese letters found; install Noto Sans CJK (apt-get install fonts-noto-cjk), or "
        f"another of {', '.join(CHINESE_FONTS[1:])}"
    )


def settings(language: str) -> dict[str, Any]:
    """What all figures share, as matplotlib's rcParams."""
    fonts = ["DejaVu Sans"] if language == "en" else [chinese_font(), "DejaVu Sans"]
    return {
        "font.family": fonts,
        "font.size": 10,
        "axes.titlesize": 10.5,
        "axes.titlelocation": "left",
        "axes.titlepad": 7,
        "axes.labelsize": 10,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.edgecolor": GREY,
        "axes.grid": True,
        "axes.axisbelow": True,
        "grid.color": "#e6e6e6",
        "xtick.color": GREY,
        "ytick.color": GREY,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "text.color": INK,
        "lines.linewidth": 1.8,
        "savefig.dpi": DPI,
    }


@contextmanager
def style(language: str) -> Iterator[None]:
    """Figures are drawn with these settings."""
    with matplotlib.rc_context(settings(language)):
        yield


def new_figure(title: str, kind: str, verdict: str, because: str, height: float = HEIGHT) -> Figure:
    """A figure with claim and verdict above, and room for panels of this height (inches) below."""
    mark, colour = MARKS[kind]
    parts = [(title, 13.0, "bold", INK), (f"{mark} {verdict}", 10.5, "bold", colour), (because, 10.0, "normal", INK)]
    blocks = [(wrapped(text, size, weight), size, weight, colour) for text, size, weight, colour in parts if text]
    heights = [len(lines) * size * 1.32 / 72 for lines, size, _, _ in blocks]
    above = sum(heights) + MARGIN + 0.05 * len(blocks)
    below = ConstrainedLayoutEngine(rect=(0.01, 0.01, 0.98, height / (above + height) - 0.01))
    figure = Figure(figsize=(WIDTH, above + height), layout=below)
    y = above + height - MARGIN
    for (lines, size, weight, colour), tall in zip(blocks, heights, strict=True):
        figure.text(
            MARGIN / WIDTH, y / (above + height), "\n".join(lines),
            size=size, weight=weight, color=colour, va="top", linespacing=1.32,
        )  # fmt: skip
        y -= tall + 0.05
    return figure


def wrapped(text: str, size: float, weight: str) -> list[str]:
    """Lines that fit the figure's width, broken between words and Chinese letters, but before no punctuation."""
    canvas = FigureCanvasAgg(Figure(figsize=(WIDTH, 1), dpi=DPI))
    font = FontProperties(size=size, weight=weight, family=matplotlib.rcParams["font.family"])
    room = DPI * (WIDTH - 2 * MARGIN)

    def width(line: str) -> float:
        return canvas.get_renderer().get_text_width_height_descent(line, font, False)[0]

    lines = [""]
    for piece in PIECE.findall(text):
        if width((lines[-1] + piece).rstrip()) > room and lines[-1]:
            lines.append("")
        lines[-1] += piece
    return [line.strip() for line in lines]


def label_ends(axes: Axes, gap: float = 1.3) -> None:
    """Write the label of every line to the right of its end, in its colour, so far apart that they can be read."""
    axes.get_xlim(), axes.get_ylim()  # settled only when asked for
    figure: Any = axes.figure
    tall = axes.get_position().height * (figure.get_figheight() - 1.2)  # inches, about
    size = matplotlib.rcParams["font.size"]
    apart = gap * size / 72 / max(tall, 0.5)
    ends = []
    for line in axes.get_lines():
        label = str(line.get_label())
        data: Any = line.get_xydata()
        points = [(x, y) for x, y in data.tolist() if x == x and abs(y) < float("inf")]
        if label.startswith("_") or not points:
            continue
        x, y = axes.transAxes.inverted().transform(axes.transData.transform(points[-1]))
        ends.append([min(max(y, 0.0), 1.0), x, label, line.get_color()])
    ends.sort()
    places: list[float] = []
    for y, *_ in ends:
        places.append(max(y, places[-1] + apart) if places else y)
    if places and places[-1] > 1:
        places[-1] = 1.0
        for index in range(len(places) - 2, -1, -1):
            places[index] = min(places[index], places[index + 1] - apart)
    for (y, x, label, colour), place in zip(ends, places, strict=True):
        axes.annotate(
            label, (x, y), (1.03, place), xycoords="axes fraction", textcoords="axes fraction", color=colour,
            va="center", annotation_clip=False,
            arrowprops={"arrowstyle": "-", "color": colour, "lw": 0.6, "shrinkA": 1, "shrinkB": 0, "alpha": 0.5},
        )  # fmt: skip


def panel(axes: Axes, title: str, x: str = "", y: str = "") -> None:
    """Title and axes of a panel; what y is stands above it, where it needs no turned head."""
    axes.set_title(title + (f"\n{y}" if y and title else y), linespacing=1.3)
    axes.set_xlabel(x)


def bars(
    axes: Axes, names: Sequence[str], values: Sequence[float], colours: Sequence[str], form: str = "{:.2f}"
) -> None:
    """Horizontal bars, the first on top, each with its name to the left and its value at its end."""
    places = range(len(names))
    axes.barh(places, values, color=colours, height=0.62)
    axes.set_yticks(places, names)
    axes.invert_yaxis()
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")
    for place, value in zip(places, values, strict=True):
        axes.annotate(form.format(value), (value, place), (4, 0), textcoords="offset points", va="center")
    axes.margins(x=0.18)


def key(axes: Axes, entries: Sequence[tuple[str, str]], x: float, y: float) -> None:
    """Labels (text, colour) below each other from this place of the panel on, where lines are too close to be labelled;
    x above 0.5 is where they end."""
    side = "right" if x > 0.5 else "left"
    for place, (text, colour) in enumerate(entries):
        axes.annotate(
            text, (x, y), (0, -14 * place), xycoords="axes fraction", textcoords="offset points", color=colour, ha=side,
            va="top", weight="bold", bbox={"boxstyle": "square,pad=0.1", "fc": "white", "ec": "none", "alpha": 0.8},
        )  # fmt: skip


def middle(runs: Sequence[dict[str, Any]], name: str) -> float:
    """The median of a number over the runs."""
    return median(float("inf") if each[name] is None else each[name] for each in runs)


def cut(values: Any, low: float = 1e-30) -> list[float]:
    """Numbers for a logarithmic axis: None (of JSON, for NaN and infinity) as NaN, and nothing below `low`."""
    return [float("nan") if value is None else max(value, low) for value in values]


def save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path)

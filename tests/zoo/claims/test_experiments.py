"""The command that runs them: what it writes, and what it says when something is wrong."""

import json
from itertools import pairwise
from types import SimpleNamespace

import pytest
from matplotlib import font_manager

from zoo.claims import NAMES, drawing, experiments
from zoo.claims.drawing import new_figure, wrapped
from zoo.claims.verdict import FAILS, HOLDS, ONLY_IF, Verdict, spoken, written
from zoo.claims.workbench import Implementation

pytestmark = pytest.mark.usefixtures("one_thread")


def strict(path):
    """JSON as the standard has it, without NaN and Infinity."""

    def refuse(word):
        raise AssertionError(word)

    return json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_list_names_all(call, capsys):
    assert call("claims", "list") == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in NAMES)
    assert call("claims", "list", "language=zh") == 0
    assert "梯度" in capsys.readouterr().out


def test_one_claim(call, tmp_path, capsys):
    assert call("claims", "momentum_ravine", "quick=true", "folder=out", "impl=native") == 0
    assert "Holds only if each form has a rate of its own." in capsys.readouterr().out
    result = strict(tmp_path / "out/momentum_ravine.json")
    assert result["verdict"]["kind"] == ONLY_IF
    assert result["verdict"]["of each seed"] == [ONLY_IF]
    assert result["thresholds"] == {"share of gradient descent's": 0.5, "height": 1e-4}
    assert result["numbers"]["Nesterov, same rate: steps"]["median"] is None  # it never arrives
    assert result["impl"] == {"layers": "zoo.layers", "optim": "torch.optim"}
    assert result["borrowed from scratch.optim"] == ["SGD"]  # the moving average
    assert result["seconds"] > 0
    assert (tmp_path / "out/momentum_ravine.en.png").stat().st_size > 10_000


def test_several_make_a_table(call, tmp_path):
    words = ("bias", "sigmoid_wb", "quick=true", "seeds=3", "folder=out", "table=table.md")
    assert call("claims", *words) == 0
    rows = (tmp_path / "table.md").read_text(encoding="utf-8").splitlines()
    assert "claims.py bias sigmoid_wb" in rows[2]
    assert [row.split("|")[3].strip() for row in rows if row.startswith("| [")] == ["Holds.", "Holds."]
    result = strict(tmp_path / "out/bias.json")
    assert result["seeds"] == [0, 1, 2]
    spread = result["numbers"]["aside, without bias: accuracy"]
    assert spread["least"] <= spread["median"] <= spread["greatest"]
    assert sorted(spread["of each seed"])[1] == spread["median"]


def test_figures_are_drawn_again_from_the_numbers(call, tmp_path, monkeypatch, capsys):
    assert call("claims", "sigmoid_wb", "folder=out") == 0
    before = (tmp_path / "out/sigmoid_wb.json").read_bytes()
    picture = tmp_path / "out/sigmoid_wb.en.png"
    shown = picture.read_bytes()
    picture.unlink()
    monkeypatch.setattr(experiments, "experiment", None)
    assert call("claims", "sigmoid_wb", "folder=out", "redraw=true") == 0
    assert picture.read_bytes() == shown
    assert (tmp_path / "out/sigmoid_wb.json").read_bytes() == before
    assert call("claims", "bias", "folder=out", "redraw=true") == 2
    assert "bias.json is not there; run the claim first" in capsys.readouterr().err


def test_settings_are_the_arguments_of_the_run(call, tmp_path):
    assert call("claims", "bias", "settings.steps=5", "seeds=1", "folder=out") == 0
    assert strict(tmp_path / "out/bias.json")["settings"] == {"steps": 5}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["momentum_ravin"], "claim=momentum_ravin: unknown, did you mean 'momentum_ravine'?"),
        ([], "claims: name some, or all"),
        (["bias", "language=de"], "language=de: unknown; legal are en, zh, both"),
        (["bias", "seeds=0"], "seeds=0: must be at least 1"),
        (["bias", "settings.step=5"], "settings.step: bias has no such setting; it has steps"),
        (["bias", "saddle", "settings.steps=5"], "settings: are those of one claim"),
        (["bias", "impl=nowhere"], "impl=nowhere: unknown"),
        (["bias", "impl=json"], "the package 'json' has no 'Linear'"),
    ],
)
def test_mistakes_in_one_line(call, capsys, words, message):
    assert call("claims", *words) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_one_that_cannot_be_run_does_not_stop_the_others(call, tmp_path, capsys):
    """A package without optimizers of its own and with one layer."""
    (tmp_path / "tiny.py").write_text("from torch.nn import Linear, Sigmoid\n")
    assert call("claims", "bias", "sigmoid_wb", "saddle", "quick=true", "seeds=1", "impl=tiny", "folder=out") == 1
    assert "bias: impl: the package 'tiny' has no 'BCEWithLogitsLoss'" in capsys.readouterr().err
    assert {path.stem for path in (tmp_path / "out").glob("*.json")} == {"sigmoid_wb", "saddle"}


def test_an_interruption_keeps_what_is_done(call, tmp_path, monkeypatch, capsys):
    whole = experiments.experiment

    def stopped(name, *rest):
        if name == "saddle":
            raise KeyboardInterrupt
        return whole(name, *rest)

    monkeypatch.setattr(experiments, "experiment", stopped)
    assert call("claims", "sigmoid_wb", "saddle", "bias", "folder=out", "quick=true") == 130
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"sigmoid_wb.json", "sigmoid_wb.en.png", "claims.md"}
    assert "sigmoid_wb" in capsys.readouterr().out


def test_without_a_chinese_font_one_line(call, capsys, monkeypatch):
    latin = [entry for entry in font_manager.fontManager.ttflist if entry.name == "DejaVu Sans"]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", latin)
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    assert call("claims", "bias", "language=zh") == 2
    error = capsys.readouterr().err
    assert "no font with Chinese letters found; install Noto Sans CJK (apt-get install fonts-noto-cjk)" in error
    assert error.count("\n") == 1


def planted(monkeypatch, values):
    """A claim that holds for a seed whose number is above 0."""

    def decide(numbers):
        return Verdict(HOLDS if numbers["x"] > 0 else FAILS, (f"x is {numbers['x']}", f"x 是 {numbers['x']}"))

    module = SimpleNamespace(
        run=lambda impl, seed: {"x": values[seed], "curve": [float("inf")]}, decide=decide, THRESHOLDS={"x": 0},
        CHINESE="x 大于 0。", __doc__="x is above 0.\n\nNotes: none.",
    )  # fmt: skip
    monkeypatch.setattr(experiments, "load", lambda name: module)
    return experiments.experiment("planted", Implementation(), list(range(len(values))), {})


def test_a_verdict_that_turns_with_the_seed_is_said_to(monkeypatch):
    result = planted(monkeypatch, [1.0, 3.0, -1.0])
    assert result["verdict"]["kind"] == HOLDS  # of the median
    assert result["verdict"]["turns with the seed"]
    assert result["verdict"]["of each seed"] == [HOLDS, HOLDS, FAILS]
    english, chinese = result["verdict"]["because"]
    assert english == "x is 1.0; it turns with the seed: 2 × holds, 1 × does not hold"
    assert chinese == "x 是 1.0；结论随种子而变：成立 2 次，不成立 1 次"
    assert result["runs"][0]["curve"] == [None]


def test_one_that_does_not_is_not(monkeypatch):
    result = planted(monkeypatch, [1.0, 2.0, 3.0])
    assert not result["verdict"]["turns with the seed"]
    assert spoken(result["verdict"], "en") == ("Holds.", "X is 2.0.")
    assert spoken(result["verdict"], "zh") == ("成立。", "X 是 2.0。")


def test_numbers_as_they_are_written():
    text = ("2e-07 of 1e+04, 0e+00, inf, -3, -0.00, 003-4", "")
    assert written(text)[0] == "2×10⁻⁷ of 10⁴, 0, ∞, −3, 0.00, 003-4"
    assert written(("", "分别为 1, -2, inf 步，占 3 %"))[1] == "分别为 1、−2、∞ 步，占 3%"


def test_titles_are_broken_to_the_width():
    with drawing.style("en"):
        text = "A claim of many words that do not fit into one line of the figure " * 3
        lines = wrapped(text.strip(), 13.0, "bold")
        assert " ".join(lines) == text.strip()
        assert 3 <= len(lines) <= 6
        figure = new_figure(text, HOLDS, "Holds.", "Because.", 3.0)
    assert figure.get_figheight() > 3 + 0.2 * len(lines)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_labels_at_the_ends_of_lines_do_not_overlap(language):
    if language == "zh":
        pytest.importorskip("matplotlib")
        try:
            drawing.chinese_font()
        except ValueError as error:
            pytest.skip(str(error))
    with drawing.style(language):
        figure = new_figure("A title", FAILS, "Does not hold.", "Because.", 3.0)
        axes = figure.subplots()
        for place in range(5):
            axes.plot([0, 1], [0, place * 1e-3], label=f"line {place}")
        drawing.label_ends(axes)
        figure.canvas.draw()
        boxes = sorted((text.get_window_extent() for text in axes.texts), key=lambda box: box.y0)
        assert len(boxes) == 5
        assert all(below.y1 <= above.y0 + 1 for below, above in pairwise(boxes))
        assert all(box.x1 <= figure.bbox.x1 for box in boxes)

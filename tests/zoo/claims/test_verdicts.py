"""Every claim's verdict: on a small run, on hand-written and native layers; and, slowly, on the whole one."""

import ast
import json
import os
import re
import warnings
from pathlib import Path

import pytest

from zoo.claims import NAMES
from zoo.claims.drawing import chinese_font
from zoo.claims.experiments import draw, experiment, load
from zoo.claims.verdict import FAILS, HOLDS, ONLY_IF
from zoo.claims.workbench import Implementation
from zoo.core.errors import UsageError

pytestmark = pytest.mark.usefixtures("one_thread")

EXPECTED = {
    "vanish_depth": ONLY_IF,
    "saturated_ce": HOLDS,
    "batch_size": ONLY_IF,
    "momentum_ravine": ONLY_IF,
    "max_in_v": HOLDS,
    "rate_falls": ONLY_IF,
    "rprop_nine_one": HOLDS,
    "own_momentum": FAILS,
    "gains": ONLY_IF,
    "adam_then_sgd": FAILS,
    "newton": ONLY_IF,
    "full_batch_small": FAILS,
    "global_optimum": FAILS,
    "saddle": ONLY_IF,
    "unbiased": HOLDS,
    "outliers": ONLY_IF,
    "l1_zeros": ONLY_IF,
    "overfit": HOLDS,
    "bn_init": HOLDS,
    "prepare": HOLDS,
    "keras_lenet": HOLDS,
    "order": ONLY_IF,
    "memory": ONLY_IF,
    "conv_facts": ONLY_IF,
    "graphs": FAILS,
    "sigmoid_wb": HOLDS,
    "bias": HOLDS,
    "nonlinearity": HOLDS,
    "xor": ONLY_IF,
    "context": HOLDS,
    "tuning_recipe": ONLY_IF,
    "loss_from_gradient": HOLDS,
}
IMPLEMENTATIONS = {"scratch": ("scratch.nn", "scratch.optim"), "native": ("zoo.layers", "torch.optim")}
SECONDS = ("batch_size", "bn_init", "full_batch_small", "global_optimum", "max_in_v", "xor")  # which a small run takes
WHOLE = ("keras_lenet",)  # learns nothing on less
LONG = ("overfit",)  # needs many epochs to do harm
SEEDS = {"tuning_recipe": 1}  # whose verdict turns with the seed: one that is of the majority


def small_runs():
    for name in NAMES:
        for impl in IMPLEMENTATIONS:
            slow = name in (*WHOLE, *LONG) or (name in SECONDS and impl == "native")
            yield pytest.param(name, impl, marks=[pytest.mark.slow] * slow, id=f"{name}-{impl}")


@pytest.mark.parametrize(("name", "impl"), list(small_runs()))
def test_small(name, impl):
    settings = {} if name in WHOLE else load(name).QUICK
    result = experiment(name, Implementation(*IMPLEMENTATIONS[impl]), [SEEDS.get(name, 0)], dict(settings))
    assert result["verdict"]["kind"] == EXPECTED[name], result["verdict"]["because"][0]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_whole(name, tmp_path):
    """The verdict in full size over all seeds, and the figure in both languages, in which nothing is missing."""
    module = load(name)
    settings = {"data_dir": os.environ.get("HANDGRAD_DATA", "")} if name == "keras_lenet" else {}
    result = experiment(name, Implementation(), list(range(module.SEEDS)), settings)
    assert result["verdict"]["kind"] == EXPECTED[name], result["verdict"]["because"][0]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)  # glyphs that are missing, panels without room
        draw(result, "en", tmp_path / "en.png")
        try:
            chinese_font()
        except UsageError:
            return
        draw(result, "zh", tmp_path / "zh.png")


@pytest.mark.parametrize("name", NAMES)
def test_page(name):
    """The docstring says what it must, and what else a claim's file needs is there."""
    module = load(name)
    claim, _, page = module.__doc__.partition("\n\n")
    assert re.fullmatch(r"[A-Z][^\n]*(\n[^\n]+)?\.", claim), claim
    for label in ("Notes:", "Run:", "Number:", "Decided:"):
        assert re.search(rf"^{label} ", page, re.MULTILINE), label
    assert re.search(r"[\u4e00-\u9fff]", module.CHINESE)
    assert module.SEEDS == 1 or module.SEEDS >= 3
    assert module.THRESHOLDS
    json.dumps(module.QUICK)


def test_every_file_is_listed():
    shared = {"__init__", "workbench", "verdict", "drawing", "experiments"}
    files = {path.stem for path in Path(load(NAMES[0]).__file__).parent.glob("*.py")}
    assert files - shared == set(NAMES)
    assert set(EXPECTED) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_chinese_has_chinese_punctuation(name):
    _, *body = ast.parse(Path(load(name).__file__).read_text(encoding="utf-8")).body  # without the docstring
    nodes = [node for part in body for node in ast.walk(part) if isinstance(node, ast.Constant)]
    texts = [node.value for node in nodes if isinstance(node.value, str)]
    assert not [text for text in texts if re.search(r"[\u4e00-\u9fff][,;:()!?]|[,;:()!?][\u4e00-\u9fff]", text)]

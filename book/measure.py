"""The numbers on the pages: python scripts/book.py measure writes measured.json, with the machine and the date.

Errors are the largest that the harness sees on the first cases of a page; times are those of the benchmark.
"""

import json
import time
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import torch
from hydra import compose, initialize_config_dir
from rich.progress import track

from book.extension.catalog import ROOT, Source, optimizers, optimizers_of
from scratch.testing import CHECKS, OPTIMIZER_CHECKS
from scratch.testing.cases import FAMILIES, optim
from scratch.testing.suite import Task, identified, judge, tasks
from scratch.testing.transforms import TRANSFORM_CHECKS
from zoo.claims.workbench import machine
from zoo.tools.benchmark import in_its_form, plan
from zoo.tools.measure import interleaved, timer_for

PATH = Path(__file__).parent / "measured.json"
CASES = 4  # of a page
LAYER_CHECKS = {name: CHECKS[name] for name in ("outputs", "gradients", "finite_differences", "second_order")} | {
    "tangents": TRANSFORM_CHECKS["tangents"]
}
PAGES = {  # of the benchmark's entries, by how they begin
    "conv": "conv", "max_pool": "pool", "avg_pool": "pool", "linear": "linear", "sigmoid": "sigmoid", "tanh": "sigmoid",
    "relu": "rectifier", "leaky_relu": "rectifier", "gelu": "gated", "softmax": "softmax", "log_softmax": "softmax",
    "dropout": "dropout", "cross_entropy": "cross_entropy", "linear_cross_entropy": "linear_cross_entropy",
    "mse": "regression_loss", "embedding": "embedding", "layer_norm": "layer_norm", "rnn": "rnn", "gru": "gru",
    "lstm": "lstm", "attention": "attention", "bce_with_logits": "binary_cross_entropy", "sgd": "sgd", "adam": "adam",
    "adamw": "adam", "adamax": "adamax", "nadam": "nadam", "radam": "radam", "adagrad": "adagrad", "adadelta": "adadelta",
    "adafactor": "adafactor", "rmsprop": "rmsprop", "rprop": "rprop", "asgd": "asgd", "muon": "muon",
}  # fmt: skip
LONG = ("gru_256", "lstm_256", "gru_128_long", "lstm_128_long", "attention_2048", "encoder_layer", "adam_against_fused")
FORMS = ("plain", "scratch", "compiled")


def largest(job: Iterable[Task], candidate: str, reference: str) -> dict[str, dict[str, Any]]:
    """For each check the largest error, and of how many cases it is."""
    found: dict[str, dict[str, Any]] = defaultdict(lambda: {"error": None, "cases": 0})
    for result in judge(job, candidate, reference):
        if result.status == "passed":
            entry = found[result.check]
            entry["cases"] += 1
            entry["error"] = max((e for e in (entry["error"], result.error) if e is not None), default=None)
    return {check: entry for check, entry in found.items() if entry["error"] is not None or check != "tangents"}


def of_page(stem: str) -> dict[str, dict[str, Any]]:
    cases = list(identified(FAMILIES[stem].CASES))[:CASES]
    return largest([task for task in tasks(cases, LAYER_CHECKS, "scratch.nn", "torch.nn") if not task.slow], "scratch.nn", "torch.nn")


def of_optimizer(source: Source) -> dict[str, dict[str, Any]]:
    names = optimizers_of(source)
    cases = [(title, case) for title, case in identified(optim.CASES) if case.name in names][:CASES]
    checks = {"steps": OPTIMIZER_CHECKS["steps"]}
    return largest(tasks(cases, checks, "scratch.optim", "torch.optim"), "scratch.optim", "torch.optim")


def page_of(entry: str) -> str | None:
    words = entry.split("_")
    starts = ("_".join(words[:count]) for count in range(len(words), 0, -1))
    return next((PAGES[start] for start in starts if start in PAGES), None)


def times(seconds: float, forms: tuple[str, ...]) -> dict[str, list[dict[str, Any]]]:
    """Milliseconds of the native form, and the ratios of ours to it, by page."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    with initialize_config_dir(str(ROOT / "conf"), version_base=None):
        known = compose("benchmark")
        wanted = [name for name in (*known.layers, *known.optimizers) if page_of(name) and name not in LONG]
        configs = {
            form: compose("benchmark", [f"impl={form}", "what=all", f"only=[{','.join(wanted)}]"]) for form in forms
        }
        plans = [[*rows(config)] for config in configs.values()]
        native = configs[forms[0]].reference
        for entries in track(list(zip(*plans, strict=True)), description="times"):
            name, ours, theirs = entries[0]
            built = [in_its_form(ours, configs[form].impl) for form in forms] + [in_its_form(theirs, native)]
            *each, base = interleaved(built, seconds, timer_for("cpu", "cpu"))
            page = page_of(name)
            assert page
            ratios = {form: round(t / base, 3) for form, t in zip(forms, each, strict=True)}
            found[page].append({"task": name, "native": round(1e3 * base, 4), **ratios})
    return dict(found)


def rows(config: Any) -> Iterator[tuple[str, Any, Any]]:
    for what in ("layers", "optimizers"):
        config.what = what
        yield from plan(config)


def measure(asked: str = "all", forms: tuple[str, ...] = FORMS, seconds: float = 1.0) -> None:
    """Measure errors, times or all; what is not asked for stays as it is."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    result = json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}
    result |= {"machine": machine(), "date": time.strftime("%Y-%m-%d")}
    if asked in ("all", "errors"):
        errors = {stem: of_page(stem) for stem in track([*FAMILIES], description="errors")}
        errors |= {source.stem: of_optimizer(source) for source in optimizers()}
        write(result | {"errors": {stem: entry for stem, entry in errors.items() if entry}})
    if asked in ("all", "times"):
        write(json.loads(PATH.read_text(encoding="utf-8")) | {"times": times(seconds, forms)})


def write(result: dict[str, Any]) -> None:
    PATH.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")

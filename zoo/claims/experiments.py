"""Run the claims: python scripts/claims.py; writes a figure, a JSON and, of several, a table."""

import inspect
import json
import math
import statistics
import time
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

from omegaconf import DictConfig, OmegaConf
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Table

from zoo.claims import NAMES
from zoo.claims.drawing import HEIGHT, chinese_font, new_figure, save, style
from zoo.claims.verdict import FAILS, HOLDS, LANGUAGES, Verdict, spoken, turning, written
from zoo.claims.workbench import Implementation, begin, machine
from zoo.core.errors import Failure, UsageError, one_of, whole


def load(name: str) -> ModuleType:
    one_of("claim", name, NAMES)
    return import_module(f"zoo.claims.{name}")


def claim(module: ModuleType) -> tuple[str, str]:
    """The claim in one sentence, English and Chinese."""
    return " ".join((module.__doc__ or "").partition("\n\n")[0].split()), module.CHINESE


def experiment(name: str, impl: Implementation, seeds: list[int], settings: dict[str, Any], tick: Any = None) -> dict:
    """Run a claim once for each seed and judge it: everything that there is to know of it, fit for JSON.

    The verdict is on the medians over the seeds; it turns with the seed where those of single seeds are not all of its
    kind.
    """
    module = load(name)
    started = time.process_time()
    runs = []
    for seed in seeds:
        begin(seed)
        runs.append(module.run(impl, seed, **settings))
        if tick is not None:
            tick()
    names = [key for key, value in runs[0].items() if isinstance(value, int | float)]
    numbers = {key: [float(run[key]) for run in runs] for key in names}
    verdict: Verdict = module.decide({key: statistics.median(values) for key, values in numbers.items()})
    kinds = [module.decide({key: values[place] for key, values in numbers.items()}).kind for place in range(len(runs))]
    result = {
        "name": name,
        "claim": claim(module),
        "page": module.__doc__,
        "verdict": {
            "kind": verdict.kind,
            "condition": written(verdict.condition),
            "because": written(turning(verdict, kinds)),
            "of each seed": kinds,
            "turns with the seed": len(set(kinds)) > 1,
        },
        "thresholds": module.THRESHOLDS,
        "numbers": {
            key: {
                "median": statistics.median(values),
                "least": min(values),
                "greatest": max(values),
                "of each seed": values,
            }
            for key, values in numbers.items()
        },
        "seeds": seeds,
        "seconds": round(time.process_time() - started, 2),
        "settings": settings,
        "borrowed from scratch.optim": sorted(impl.borrowed),
        "date": time.strftime("%Y-%m-%d"),
        "machine": machine(),
        "runs": runs,
    }
    return json.loads(json.dumps(finite(result)))


def finite(value: Any) -> Any:
    """JSON knows neither NaN nor infinity: None."""
    if isinstance(value, dict):
        return {str(key): finite(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [finite(each) for each in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def draw(result: dict[str, Any], language: str, path: Path) -> None:
    """The figure of what `experiment` gave, or of what a JSON holds."""
    module, place = load(result["name"]), LANGUAGES[language]
    with style(language):
        figure = new_figure(
            result["claim"][place],
            result["verdict"]["kind"],
            *spoken(result["verdict"], language),
            getattr(module, "HEIGHT", HEIGHT),
        )
        module.draw(figure, result["runs"], lambda *texts: texts[place])
        save(figure, path)


def chosen(config: DictConfig) -> list[str]:
    names = list(config.claims)
    if not names:
        raise UsageError("claims: name some, or all; list shows which there are")
    if names == ["all"]:
        return list(NAMES)
    for name in names:
        one_of("claim", name, (*NAMES, "all", "list"))
    return [name for name in names if name in NAMES]


def chosen_languages(config: DictConfig) -> list[str]:
    one_of("language", config.language, (*LANGUAGES, "both"))
    languages = list(LANGUAGES) if config.language == "both" else [config.language]
    if "zh" in languages:
        chinese_font()
    return languages


def settings_of(name: str, config: DictConfig) -> dict[str, Any]:
    """What the run gets besides its seed: its small size where that is asked for, and settings.NAME=… of one claim."""
    module = load(name)
    known = list(inspect.signature(module.run).parameters)[2:]
    settings = dict(module.QUICK) if config.quick else {}
    for key, value in config.settings.items():
        if key not in known:
            raise UsageError(f"settings.{key}: {name} has no such setting; it has {', '.join(known) or 'none'}")
        settings[key] = OmegaConf.to_container(value) if OmegaConf.is_config(value) else value
    if "data_dir" in known:
        settings.setdefault("data_dir", config.paths.data_dir)
    return settings


def run_claims(config: DictConfig) -> list[dict[str, Any]]:
    """Run what the configuration asks for; print and write what came out.

    Raises UsageError before anything is run for a wrong value, and Failure at the end where a claim could not be run.
    An interruption keeps the claims that are done, and ends with status 130.
    """
    if list(config.claims) == ["list"]:
        show_list(config)
        return []
    names = chosen(config)
    languages = chosen_languages(config)
    if config.seeds is not None:
        whole("seeds", config.seeds, 1)
    if len(names) > 1 and config.settings:
        raise UsageError("settings: are those of one claim; name one")
    prepared = {name: settings_of(name, config) for name in names}
    console = Console()
    results: list[dict[str, Any]] = []
    broken: dict[str, str] = {}
    interrupted = False
    try:
        for name, result in run_all(config, prepared, console, broken):
            for language in languages:
                draw(result, language, Path(config.folder) / f"{name}.{language}.png")
            results.append(result)
    except KeyboardInterrupt:
        interrupted = True
    if len(names) == 1 and results:
        console.print("\n".join(spoken(results[0]["verdict"], languages[0])), soft_wrap=True)
    elif results:
        console.print(table(results, languages[0]))
        Path(config.table).write_text(markdown(results, " ".join(config.claims)), encoding="utf-8")
    if results:
        console.print(f"Figures and JSON are in {config.folder}", soft_wrap=True)
    if interrupted:
        raise SystemExit(130)
    if broken:
        raise Failure("; ".join(f"{name}: {error}" for name, error in broken.items()))
    return results


def run_all(
    config: DictConfig, prepared: dict[str, dict[str, Any]], console: Console, broken: dict[str, str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every claim as it is done, its JSON written; with a progress bar. One that cannot be run is named in `broken`."""
    counts = {name: config.seeds or load(name).SEEDS for name in prepared}
    columns = (BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(TextColumn("{task.description:<19}"), *columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=sum(counts.values()))
        for name, settings in prepared.items():
            bar.update(task, description=name)
            path = Path(config.folder) / f"{name}.json"
            if config.redraw:
                yield name, read(path)
                bar.advance(task, counts[name])
                continue
            impl = Implementation(config.impl.layers, config.impl.optim)
            seeds = list(range(config.seed, config.seed + counts[name]))
            try:
                result = experiment(name, impl, seeds, settings, lambda: bar.advance(task))
            except UsageError as error:
                if len(prepared) == 1:
                    raise
                broken[name] = str(error)
                continue
            result["impl"] = OmegaConf.to_container(config.impl)
            write(result, path)
            yield name, result


def read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError(f"redraw=true: {path} is not there; run the claim first") from error


def write(result: dict[str, Any], path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def show_list(config: DictConfig) -> None:
    language = chosen_languages(config)[0]
    grid = Table(show_header=False, box=None, pad_edge=False)
    for name in NAMES:
        grid.add_row(f"[bold]{name}[/]", claim(load(name))[LANGUAGES[language]])
    Console().print(grid)


def table(results: list[dict[str, Any]], language: str) -> Table:
    place = LANGUAGES[language]
    found = Table(title=("What the notes claim", "笔记中的论断")[place], title_justify="left")
    for head in (("claim", "论断"), ("verdict", "结论"), ("seconds", "秒")):
        found.add_column(head[place], justify="right" if head[0] == "seconds" else "left")
    for result in results:
        verdict = result["verdict"]
        colour = {HOLDS: "green", FAILS: "red"}.get(verdict["kind"], "yellow")
        said, _ = spoken(verdict, language)
        found.add_row(result["name"], f"[{colour}]{said}[/]", f"{result['seconds']:.1f}")
    return found


def markdown(results: list[dict[str, Any]], asked: str) -> str:
    """The table of docs/claims.md."""
    first = results[0]
    lines = [
        "# What the notes claim",
        "",
        f"Made by `python scripts/claims.py {asked}` with {first['impl']['layers']} and {first['impl']['optim']}; "
        f"{first['machine']}, {first['date']}. Seconds are those of computing, for all seeds together; beside other "
        "work they are up to twice as many. A verdict is on the medians over the seeds, against thresholds that were "
        "fixed before the first run; where one was changed after it, the claim's file says so under *Changed*.",
        "",
        "| claim | what it says | verdict | numbers | seeds | seconds |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    for result in results:
        verdict, because = spoken(result["verdict"], "en")
        link = f"[{result['name']}](../zoo/claims/{result['name']}.py)"
        cells = (link, result["claim"][0], verdict, because, str(len(result["seeds"])), f"{result['seconds']:.1f}")
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines) + "\n"

"""Build the book: python scripts/book.py makes build/book/en and build/book/zh, pages to open from their folder.

language=en                one language (en, zh, both)
claims=FOLDER              what scripts/claims.py wrote; none: no figures. By default runs/claims-scratch, or else
                           small runs, made once
folder=build/book          where the pages go
quick=true                 chapters as they stand, without running their code, and claims without figures
measure                    measure errors and times anew, into book/measured.json, instead of building; measure=errors
                           or measure=times one of them, forms=plain,scratch without those that are to be compiled,
                           pages=lstm,adam those of some pages
"""

import os
import re
import subprocess
import sys
import time
from pathlib import Path
from threading import Thread

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from zoo.core.errors import UsageError, one_of
from zoo.training.cli import mistakes_in_one_line

ROOT = Path(__file__).resolve().parents[1]
TARGET = ROOT / "build" / "book"
LANGUAGES = ("en", "zh")
OPTIONS = {"language": "both", "claims": "", "folder": str(TARGET), "quick": "false"}
STEP = re.compile(r"(reading sources|writing output)\.*\s*\[ *(\d+)%\]")


def options(words: list[str]) -> dict[str, str]:
    """The options by name, the given ones over the usual."""
    found = dict(OPTIONS)
    for word in words:
        name, equals, value = word.partition("=")
        one_of("option", name if equals else word, OPTIONS)
        found[name] = value
    one_of("language", found["language"], (*LANGUAGES, "both"))
    one_of("quick", found["quick"], ("true", "false"))
    return found


def claims_folder(asked: str) -> str:
    """Where the claims' results are, once they are there."""
    if asked == "none":
        return ""
    if asked:
        if not list(Path(asked).glob("*.json")):
            raise UsageError(f"claims={asked}: no result of scripts/claims.py is there")
        return str(Path(asked).resolve())
    full, small = ROOT / "runs" / "claims-scratch", TARGET / "claims"
    if list(full.glob("*.json")):
        return str(full)
    if not (small / "done").exists():
        command = [sys.executable, "scripts/claims.py", "all", "quick=true", f"folder={small}"]
        subprocess.run(command, cwd=ROOT, check=True)
        (small / "done").touch()
    return str(small)


def build(language: str, target: Path, claims: str, quick: bool, progress: Progress) -> int:
    """Run Sphinx for one language, with a bar; its warnings are printed at the end. Returns its status."""
    environment = os.environ | {
        "HANDGRAD_LANGUAGE": language,
        "HANDGRAD_CLAIMS": claims,
        "HANDGRAD_QUICK": str(int(quick)),
    }
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "--color", "book", str(target / language)]
    bar = progress.add_task(language, total=200)
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        assert process.stdout
        assert process.stderr
        said: list[str] = []
        errors = Thread(target=lambda: said.append(process.stderr.read()))  # type: ignore[union-attr]
        errors.start()
        for line in process.stdout:
            if found := STEP.search(re.sub("\x1b[^m]*m", "", line)):
                progress.update(bar, completed=int(found[2]) + 100 * found[1].startswith("writing"))
        errors.join()
    if process.returncode == 0:
        progress.update(bar, completed=200)
    else:
        progress.console.print(said[0], markup=False, highlight=False)
    return process.returncode


def size(folder: Path) -> float:
    """Mebibytes of what is read, without Sphinx's own files."""
    return sum(f.stat().st_size for f in folder.rglob("*") if f.is_file() and ".doctrees" not in f.parts) / 2**20


def main() -> None:
    with mistakes_in_one_line(traceback_wanted=False):
        words = sys.argv[1:]
        if {"--help", "-h"} & {*words}:
            print(__doc__)
        elif words and words[0].partition("=")[0] == "measure":
            measured(words)
        else:
            run(options(words))


def measured(words: list[str]) -> None:
    from book.extension.catalog import ops, optimizers
    from book.measure import FORMS, measure

    asked = {"measure": "all", "forms": ",".join(FORMS), "pages": ""}
    given = dict(word.partition("=")[::2] for word in words)
    for name in given:
        one_of("option", name, asked)
    asked |= {name: text for name, text in given.items() if text}
    one_of("measure", asked["measure"], ("all", "errors", "times"))
    forms, pages = asked["forms"].split(","), [page for page in asked["pages"].split(",") if page]
    for form in forms:
        one_of("forms", form, FORMS)
    for page in pages:
        one_of("pages", page, [source.stem for source in (*ops(), *optimizers())])
    measure(asked["measure"], forms, pages)


def run(asked: dict[str, str]) -> None:
    console, started, target = Console(), time.perf_counter(), Path(asked["folder"]).resolve()
    quick = asked["quick"] == "true"
    claims = "" if quick and not asked["claims"] else claims_folder(asked["claims"])
    languages = LANGUAGES if asked["language"] == "both" else (asked["language"],)
    columns = (TextColumn("the book, {task.description}"), BarColumn(), TimeElapsedColumn())
    # the code of chapters that run at once: threads beyond the processors wait for each other, minutes in all
    os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // len(languages))))
    statuses: list[int] = []
    with Progress(*columns, console=console) as progress:
        jobs = [
            Thread(target=lambda each=each: statuses.append(build(each, target, claims, quick, progress)))
            for each in languages
        ]
        for job in jobs:
            job.start()
        for job in jobs:
            job.join()
    if any(statuses):
        raise SystemExit(1)
    for language in languages:
        folder = target / language
        pages = sum(1 for _ in folder.rglob("*.html"))
        console.print(f"{folder / 'index.html'}: {pages} pages, {size(folder):.1f} MiB", soft_wrap=True)
    console.print(f"{time.perf_counter() - started:.0f} seconds")

"""The book in a browser: built without a warning, and read from its folder, without a network."""

import html
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote, urlparse

import pytest
from filelock import FileLock

pytest.importorskip("myst_nb", reason="the book's extra is not installed")
playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

pytestmark = pytest.mark.slow
ROOT = Path(__file__).resolve().parents[2]
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
PAGES = (
    "index", "layers", "optimizers/index", "optimizers/adam", "claims/vanish_depth", "chapters/01-neuron",
    "ops/basics/linear", "ops/activation/gated", "ops/attention/attention", "ops/basics/graph",
    "ops/loss/cross_entropy", "ops/norm/layer_norm", "ops/pool/pool", "ops/recurrent/lstm",
    "ops/resample/interpolate",
)  # fmt: skip


@pytest.fixture(scope="session")
def book(tmp_path_factory) -> Path:
    """The folder of both languages: the one that HANDGRAD_BOOK names, as built by scripts/book.py; else one made here,
    whose chapters are shown, not run. Processes that run tests side by side share it."""
    if "HANDGRAD_BOOK" in os.environ:
        return Path(os.environ["HANDGRAD_BOOK"]).resolve()
    folder = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        folder = folder.parent
    target, done = folder / "book", folder / "book.done"
    with FileLock(folder / "book.lock"):
        if not done.exists():
            command = [sys.executable, "scripts/book.py", "quick=true", f"folder={target}"]
            built = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
            done.write_text(built.stdout + built.stderr if built.returncode else "")
    assert not (said := done.read_text()), said
    return target


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None:
        pytest.skip("there is no chromium here")
    with playwright.sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield launched
        launched.close()


class Visit:
    """A page as it stands in the browser, and the addresses that it asked for."""

    def __init__(self, browser, width: int = 1400) -> None:
        self.requests: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": 900})
        self.page.on("request", lambda request: self.requests.append(request.url))

    def open(self, path: Path, query: str = ""):
        self.page.goto(path.as_uri() + query)
        self.page.wait_for_function(
            "!window.MathJax?.startup?.promise || MathJax.startup.promise.then(() => true)", timeout=60_000
        )
        return self.page


@pytest.fixture
def visit(browser):
    made = []

    def new(width: int = 1400) -> Visit:
        made.append(Visit(browser, width))
        return made[-1]

    yield new
    for each in made:
        each.page.close()


def test_it_builds_without_a_warning(book):
    for language in ("en", "zh"):
        assert (book / language / "index.html").exists()
        assert len(list((book / language / "ops").rglob("*.html"))) > 50


def test_no_page_loads_anything_from_another_host(book):
    loading = re.compile(r"<(?:script|img|link|iframe|source)\b[^>]*(?:src|href)=\"(?:https?:)?//[^\"]*\"[^>]*>")
    wrong = {
        path.relative_to(book).as_posix(): found
        for path in book.rglob("*.html")
        if (found := [tag for tag in loading.findall(path.read_text(encoding="utf-8")) if 'rel="canonical"' not in tag])
    }
    assert not wrong


def test_every_link_leads_to_a_page_of_the_book_and_to_a_place_on_it(book):
    ids: dict[Path, set[str]] = {}
    links: dict[Path, set[str]] = {}
    for path in book.rglob("*.html"):
        text = path.read_text(encoding="utf-8")
        ids[path] = {*re.findall(r'\bid="([^"]+)"', text)}
        links[path] = {*map(html.unescape, re.findall(r'<a\b[^>]*\bhref="([^"]+)"', text))}
    dead = [
        f"{path.relative_to(book)}: {link}"
        for path, found in links.items()
        for link in found
        if not link.startswith(("http:", "https:"))
        and not leads_somewhere((path.parent / unquote(link.partition("#")[0])).resolve() if link[0] != "#" else path,
                                unquote(link.partition("#")[2]), ids)
    ]  # fmt: skip
    assert dead == []


def leads_somewhere(target: Path, place: str, ids: dict[Path, set[str]]) -> bool:
    return place in ids[target] or not place if target in ids else target.is_file() and not place


def test_a_page_leads_to_its_source_cases_and_tests(book):
    text = (book / "zh" / "ops" / "recurrent" / "lstm.html").read_text(encoding="utf-8")
    for name in ("ops/recurrent/lstm", "nn/rnn", "testing/cases/lstm"):
        assert f'href="../../code/scratch/{name}.html"' in text, name
        assert (book / "zh" / "code" / "scratch" / f"{name}.html").exists()
    assert 'href="../../code/tests/scratch/' in text


@pytest.mark.parametrize("name", PAGES)
def test_formulas_are_drawn_and_the_page_fits_a_phone(book, visit, name):
    for language in ("en", "zh"):
        seen = visit(390)
        page = seen.open(book / language / f"{name}.html")
        assert page.locator("mjx-merror, [data-mjx-error]").count() == 0
        if name.startswith("ops/"):
            assert page.locator("mjx-container").count() > 10
        assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0, f"{language}/{name} is too wide"
        assert [url for url in seen.requests if not url.startswith(("file:", "data:", "blob:"))] == []


def test_a_long_formula_is_drawn_smaller_rather_than_cut_off(book, visit):
    page = visit(1280).open(book / "en/ops/conv/conv.html")
    formulas = "[...document.querySelectorAll('.equation .cell mjx-container')]"
    right = "const right = (element) => element.getBoundingClientRect().right;"
    fits = f"() => {{ {right} return {formulas}.every((f) => right(f) <= right(f.closest('.equation'))); }}"
    assert page.evaluate(f"{formulas}.length") > 5
    page.wait_for_function(fits, timeout=10_000)


def test_equations_and_lines_light_each_other(book, visit):
    page = visit().open(book / "en" / "ops" / "basics" / "linear.html")
    page.hover('.equation[data-number="3"] mjx-container')
    lit = page.locator(".line.lit").all_inner_texts()
    assert len(lit) == 1
    assert "y_bar @ W" in lit[0]
    page.hover('.line[data-cites="4"] span')
    assert page.locator(".equation.lit").get_attribute("data-number") == "4"
    page.hover("h1")
    assert page.locator(".lit").count() == 0


def test_a_tap_lights_too(book, browser):
    context = browser.new_context(viewport={"width": 390, "height": 844}, has_touch=True)
    page = context.new_page()
    page.goto((book / "en" / "ops" / "basics" / "linear.html").as_uri())
    page.locator('.equation[data-number="3"]').tap()
    assert "y_bar @ W" in page.locator(".line.lit").inner_text()
    context.close()


def test_the_language_switch_leads_to_the_same_page_and_back(book, visit):
    page = visit().open(book / "en" / "ops" / "recurrent" / "lstm.html")
    assert page.locator("html").get_attribute("lang") == "en"
    page.click("a.language")
    assert address(page) == book / "zh" / "ops" / "recurrent" / "lstm.html"
    assert page.locator("html").get_attribute("lang").startswith("zh")
    assert "长短期记忆" in page.locator("h1").inner_text()
    page.click("a.language")
    assert address(page) == book / "en" / "ops" / "recurrent" / "lstm.html"


def address(page) -> Path:
    return Path(unquote(urlparse(page.url).path))


@pytest.mark.parametrize(("language", "word", "expected"), [("en", "dropout", "Dropout"), ("zh", "卷积", "卷积")])
def test_search_works_without_a_network(book, visit, language, word, expected):
    seen = visit()
    page = seen.open(book / language / "search.html", f"?q={word}")
    page.wait_for_selector("#search-results li", timeout=20_000)
    assert any(expected in text for text in page.locator("#search-results li").all_inner_texts())
    page.wait_for_selector("#search-results p.context")
    assert any(word.lower() in text.lower() for text in page.locator("p.context").all_inner_texts())
    assert not [url for url in seen.requests if url.startswith("http")]

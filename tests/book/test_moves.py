"""The things to move, in a browser: with the keyboard, in both languages, on a phone, and without JavaScript."""

import re
import shutil
from pathlib import Path

import pytest
import torch

pytest.importorskip("myst_nb", reason="the book's extra is not installed")
pytest.importorskip("jupytext", reason="the book's extra is not installed")
pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

from book.code import notebooks, pictures

pytestmark = pytest.mark.slow
MOVES = {"sigmoid": "01-neuron", "ravine": "05-gradient-descent", "attention": "09-attention", "time": "08-recurrence"}
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
STATIC = notebooks.CHAPTERS.parent / "_static" / "moves"


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> Path:
    """A page for each thing to move, in each language, with what its chapter displays."""
    folder = tmp_path_factory.mktemp("moves")
    (folder / "_static").mkdir()
    shutil.copytree(STATIC, folder / "_static" / "moves")
    before, display = torch.get_default_dtype(), pictures.display
    try:
        for name, chapter in MOVES.items():
            shown: list[str] = []
            pictures.display = lambda output, shown=shown: shown.append(output.data)
            namespace: dict[str, object] = {}
            for cell in notebooks.notebook(notebooks.CHAPTERS / f"{chapter}.md").cells:
                if cell.cell_type == "code":
                    exec(cell.source, namespace)
            (figure,) = (html for html in shown if f'data-move="{name}"' in html)
            for language in ("en", "zh-CN"):
                (folder / language).mkdir(exist_ok=True)
                head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width">'
                page = f'<!doctype html><html lang="{language}"><head>{head}</head><body>{figure}</body></html>'
                (folder / language / f"{name}.html").write_text(page)
    finally:
        torch.set_default_dtype(before)
        pictures.display = display
    return folder


@pytest.fixture(scope="module")
def browser():
    if BROWSER is None:
        pytest.skip("there is no chromium here")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        launched = driver.chromium.launch(executable_path=BROWSER, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture
def show(browser, pages):
    made = []

    def shown(name, language="en", width=390, **options):
        context = browser.new_context(viewport={"width": width, "height": 900}, **options)
        page = context.new_page()
        page.on("pageerror", lambda error: pytest.fail(str(error)))
        page.goto((pages / language / f"{name}.html").as_uri())
        made.append(context)
        return page

    yield shown
    for context in made:
        context.close()


def result(page) -> str:
    return page.locator(".result").inner_text()


@pytest.mark.parametrize("name", MOVES)
@pytest.mark.parametrize("language", ["en", "zh-CN"])
def test_it_fits_a_phone_and_every_control_has_words(show, name, language):
    page = show(name, language)
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") <= 0
    assert page.locator(".stage svg").get_attribute("aria-label")
    for control in page.locator("input, button").all():
        assert control.get_attribute("aria-label") or control.inner_text()
    if language == "zh-CN":
        said = page.locator(".stage").inner_text() + page.locator(".stage svg").get_attribute("aria-label")
        assert re.search("[一-鿿]", said)
        assert not re.search(r"\b(weight|rate|steps|looks|play|norm)\b", said)


@pytest.mark.parametrize("name", MOVES)
def test_without_javascript_a_picture_stands_there(show, name):
    page = show(name, java_script_enabled=False)
    picture = page.locator("figure img")
    assert picture.is_visible()
    assert picture.get_attribute("alt") == page.locator("figcaption").inner_text()
    assert picture.bounding_box()["width"] > 250


def test_the_sigmoid_follows_its_sliders(show):
    page = show("sigmoid")
    assert "x = 0.00" in result(page)
    page.locator("input").nth(1).focus()
    for _ in range(8):
        page.keyboard.press("ArrowRight")  # b = 2
    assert "x = -2.00; slope where it crosses ½: 0.25" in result(page)
    page.locator("input").nth(0).focus()
    for _ in range(4):
        page.keyboard.press("ArrowRight")  # w = 2
    assert "x = -1.00; slope where it crosses ½: 0.50" in result(page)


def test_the_ravine_is_the_optimizers(show):
    """The same steps as scratch.optim.SGD takes."""
    from scratch.optim import SGD

    page = show("ravine")
    for rate, momentum in ((0.09, 0.0), (0.03, 0.8)):
        for place, value in enumerate((rate, momentum)):
            page.locator("input").nth(place).fill(str(value))
        point = torch.tensor([-2.0, 0.7], dtype=torch.float64, requires_grad=True)
        scales, last = torch.tensor([1.0, 20.0], dtype=torch.float64), 0
        optimizer = SGD([point], lr=rate, momentum=momentum)
        for step in range(1, 201):
            point.grad = scales * point.detach()
            optimizer.step()
            last = step if (0.5 * scales * point.detach() ** 2).sum() > 1e-3 else last
        assert result(page).endswith(f": {last + 1}")
    page.locator("input").nth(0).fill("0.12")
    page.locator("input").nth(1).fill("0")
    assert result(page) == "it does not converge"


def test_attention_is_shown_word_by_word(show):
    page = show("attention")
    assert result(page) == "it looks at cat (0.62)"
    page.keyboard.press("Tab")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    assert result(page).startswith("thirsty looks at cat")
    page.get_by_role("button", name="drank").hover()
    assert result(page).startswith("drank looks at")
    assert page.locator('button[aria-pressed="true"]').inner_text() == "drank"


def test_a_gradient_travels_step_by_step(show):
    page = show("time")
    assert "step 40" in result(page)
    page.get_by_role("button", name="one step on").click()
    assert "step 39" in result(page)
    page.get_by_role("button", name="play").click()
    page.wait_for_function("document.querySelector('.result').textContent.includes('step 37')")
    page.get_by_role("button", name="pause").click()
    stopped = result(page)
    page.wait_for_timeout(600)
    assert result(page) == stopped
    page.get_by_role("button", name="from the loss again").click()
    assert "step 40" in result(page)

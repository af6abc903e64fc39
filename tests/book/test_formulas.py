"""The docstrings' formulas as TeX."""

import re

import pytest

from book.extension.catalog import ops, optimizers
from book.extension.formula import Unconvertible, segments, tex
from book.extension.nodes import above, below
from book.extension.words import word

COMMANDS = {
    "bar", "dot", "hat", "tilde", "breve", "frac", "tfrac", "sqrt", "sum", "prod", "operatorname", "mathrm", "mathtt", "text",
    "mathrel", "left", "right", "top", "prime", "circ", "uparrow", "cdot", "times", "odot", "oplus", "pm", "mp", "leftarrow",
    "to", "ge", "le", "ne", "approx", "propto", "in", "mid", "partial", "nabla", "infty", "ell", "dots", "cdots", "langle",
    "rangle", "lfloor", "rfloor", "lceil", "rceil", "Vert", "quad", "alpha", "beta", "gamma", "delta", "varepsilon", "zeta",
    "eta", "theta", "kappa", "lambda", "mu", "nu", "xi", "pi", "rho", "sigma", "tau", "varphi", "psi", "omega", "Gamma",
    "Delta", "Theta", "Lambda", "Sigma", "Phi", "Psi", "Omega", ",", "{", "}", "_", "%", "#",
}  # fmt: skip
SOURCES = [*ops(), *optimizers()]


@pytest.mark.parametrize(
    ("plain", "expected"),
    [
        ("x̄ = ȳ Wᵀ", r"\bar{x} = \bar{y}\,W^{\top}"),
        ("x̂˙", r"\dot{\hat{x}}"),
        ("Ẇ", r"\dot{W}"),
        ("hₜ₋₁", "h_{t-1}"),
        ("x_iⁿ", "x_{i}^{n}"),
        ("y = 1 / (1 + e⁻ˣ)", r"y = \frac{1}{1 + e^{-x}}"),
        ("w x / √v", r"w\,x/\sqrt{v}"),
        ("x min(max(x + 3, 0), 6) / 6", r"x\operatorname{min}(\operatorname{max}(x + 3, 0), 6)/6"),
        ("γ (a + b) / (c + d)", r"\gamma\,\frac{a + b}{c + d}"),
        ("√(a + b)", r"\sqrt{a + b}"),
        ("√max(1, A/B)", r"\sqrt{\operatorname{max}(1, A/B)}"),
        ("D^(−½)", r"D^{- \tfrac12}"),
        ("e^−|z|", "e^{- |z|}"),
        ("e^βx", r"e^{\beta x}"),
        ("Σ_{e: j->i} w_e", r"\sum_{e: j \to i}w_{e}"),
        ("‖a − b‖ₚ", r"\Vert a - b\Vert _{p}"),
        ("1e-7", "10^{-7}"),
        ("θ −= η m", r"\theta \mathrel{-}= \eta\,m"),
        ("f′ = 0 | x | 1", r"f^{\prime} = 0 \mid x \mid 1"),
        ("y = x where x > 0", r"y = x\text{ where }x > 0"),
        ("S − 1 = ⌊n / s⌋", r"S - 1 = \lfloor n/s\rfloor "),
    ],
)
def test_a_formula_as_tex(plain, expected):
    assert tex(plain) == expected.strip()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("over all rows", [("text", "over all rows")]),
        ("W̄ = Σ ȳᵀ x over all rows", [("math", "W̄ = Σ ȳᵀ x"), ("text", " over all rows")]),
        ("a p-norm of a and b", [("text", "a "), ("math", "p"), ("text", "-norm of "), ("math", "a"), ("text", " and "), ("math", "b")]),
        ("see (3), not (4)", [("text", "see "), ("reference", "3"), ("text", ", not (4)")]),
        ("``padding_idx`` of torch.nn.Embedding", [("code", "padding_idx"), ("text", " of "), ("code", "torch.nn.Embedding")]),
        ("φ = Φ′ its density, κ = 1", [("math", "φ = Φ′"), ("text", " its density, "), ("math", "κ = 1")]),
        ("W's rows (the sums of (x − c) d̄ taken apart)", [
            ("math", "W"), ("text", "'s rows (the sums of "), ("math", "(x − c) d̄"), ("text", " taken apart)"),
        ]),
    ],
)  # fmt: skip
def test_text_code_and_formulas_are_told_apart(line, expected):
    assert [tuple(segment) for segment in segments(line, {"3"})] == expected


@pytest.mark.parametrize("formula", ["ж = 1", "(a", "|a", "x^"])
def test_what_is_no_formula_is_refused(formula):
    with pytest.raises(Unconvertible):
        tex(formula)


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: source.stem)
def test_every_formula_converts(source):
    """To balanced TeX of commands that are known: those that MathJax draws."""
    left = []
    for kind, text in source.page.segments:
        if kind != "math":
            continue
        try:
            converted = tex(text)
        except Unconvertible as error:
            left.append(str(error))
            continue
        plain = re.sub(r"\\[{}]", "", converted)
        assert plain.count("{") == plain.count("}"), text
        assert converted.count(r"\left") - converted.count(r"\leftarrow") == converted.count(r"\right"), text
        assert {*re.findall(r"\\([A-Za-z]+|.)", converted)} <= COMMANDS, (text, converted)
    assert not left


def test_a_page_becomes_nodes():
    page = next(source.page for source in SOURCES if source.stem == "linear")
    notes, remarks = above(page).pformat(), below(page).pformat()
    assert r"\bar{x} = \bar{y}\,W^{\top}" not in remarks
    assert r"\bar{x} = \bar{y}\,W" in notes
    assert 'number="3"' in notes
    assert word("Source") in remarks

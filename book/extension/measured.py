"""The numbers of measured.json on a page: errors against torch and finite differences, tangents, times."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from docutils import nodes

from .words import word

PATH = Path(__file__).resolve().parents[1] / "measured.json"
CHECKS = {  # of the harness
    "outputs": "Value against the reference",
    "gradients": "Gradients against the reference",
    "finite_differences": "Gradients against finite differences",
    "tangents": "Tangent: ⟨ȳ, ẏ⟩ = ⟨x̄, ẋ⟩, and against the reference",
    "second_order": "Second derivatives against the reference",
    "steps": "Parameters after every step, against the reference",
}

FORMS = ("plain", "scratch", "compiled")


@cache
def measured() -> dict[str, Any]:
    return json.loads(PATH.read_text(encoding="utf-8")) if PATH.exists() else {}


def scientific(value: float) -> str:
    if value == 0:
        return "0"
    mantissa, exponent = f"{value:.0e}".split("e")
    return f"{mantissa} \\cdot 10^{{{int(exponent)}}}"


def table(head: list[str], rows: list[list[nodes.Node]]) -> nodes.table:
    """A table, of cells that are inline nodes."""
    group = nodes.tgroup("", *(nodes.colspec(colwidth=1) for _ in head), cols=len(head))
    for kind, cells in ((nodes.thead, [[nodes.Text(text) for text in head]]), (nodes.tbody, rows)):
        body = kind()
        for row in cells:
            body += nodes.row("", *(nodes.entry("", nodes.paragraph("", "", cell, translatable=False)) for cell in row))
        group += body
    return nodes.table("", group, classes=["measured"])


def not_measured(errors: bool, times: list[dict[str, Any]]) -> str:
    """What of the numbers a page does not have, in words."""
    if not errors and not times:
        return word("Nothing was measured here: PyTorch has nothing to compare with. The tests check it by themselves.")
    if not times:
        return word("Times were not measured here.")
    return word("The compiled form was not timed here.") if not any("compiled" in entry for entry in times) else ""


def measured_nodes(stem: str) -> list[nodes.Node]:
    numbers = measured()
    found: list[nodes.Node] = []
    checks = numbers.get("errors", {}).get(stem, {})
    rows: list[list[nodes.Node]] = []
    for check, name in CHECKS.items():
        if check in checks:
            entry = checks[check]
            error: nodes.Node = nodes.Text(word("passed"))
            if entry["error"]:  # gradcheck only says that it holds
                value = scientific(entry["error"])
                error = nodes.math(value, value)
            rows.append([nodes.Text(word(name)), error, nodes.Text(str(entry["cases"]))])
    if rows:
        found += [table([word("Largest relative error, float64"), "", word("cases")], rows), made("errors", stem)]
    times = numbers.get("times", {}).get(stem, [])
    if times:
        shown = [form for form in FORMS if any(form in entry for entry in times)]
        rows = [
            [
                nodes.Text(entry["task"]),
                nodes.Text(f"{entry['native']:.3g}"),
                *(nodes.Text(f"{entry[form]:.2f}" if form in entry else "–") for form in shown),
            ]
            for entry in times
        ]
        head = [word("Time"), word("native, ms"), *(f"{form} / native" for form in shown)]
        found += [table(head, rows), made("times", stem)]
    if text := not_measured(bool(checks), times):
        found.append(nodes.paragraph("", text, classes=["told"], translatable=False))
    if found:
        found.insert(0, nodes.rubric("", word("Measured"), classes=["label"]))
    return found


def made(kind: str, stem: str) -> nodes.paragraph:
    """Where and when the numbers of a table were measured."""
    return nodes.paragraph("", measured()["made"][kind][stem], classes=["machine"], translatable=False)

"""The directives of generated pages, and the translation of their titles."""

from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

from docutils import nodes
from sphinx.transforms import SphinxTransform
from sphinx.util.docutils import SphinxDirective

from . import claims, tables
from .catalog import ROOT, Source, address, by_path, cases_of, layers_of, optimizers_of, tests_of
from .curves import curve, functions, path_of
from .examples import example_nodes
from .measured import PATH as MEASURED
from .measured import measured_nodes
from .nodes import above, below, folded, inline, raw
from .formula import segments
from .source import as_html, parts
from .words import word

GENERATED = ("ops/", "optimizers/", "claims/")


class Generated(SphinxDirective):
    """What the directives share."""

    optional_arguments = 1
    has_content = False

    @property
    def figures(self) -> Path:
        return Path(self.env.srcdir) / "_figures"

    @property
    def language(self) -> str:
        return "zh" if (self.config.language or "").startswith("zh") else "en"

    def picture(self, draw: Callable[[str, Path], Path], name: str, kind: str) -> nodes.image:
        path = draw(name, self.figures / f"{name}.svg")
        return nodes.image(uri="/" + path.relative_to(self.env.srcdir).as_posix(), alt=name, classes=[kind])


class OpPage(Generated):
    """Everything about one page of scratch/ops: notes beside code, what is saved, curves, an example, measured numbers."""

    rule = ""

    def run(self) -> list[nodes.Node]:
        source = by_path()[self.arguments[0]]
        for path in (source.path, MEASURED):
            self.env.note_dependency(str(path))
        return [*self.head(source), *self.body(source), *self.pictures(source), *example_nodes(source.stem),
                *measured_nodes(source.stem)]  # fmt: skip

    def head(self, source: Source) -> list[nodes.Node]:
        lead = nodes.paragraph("", "", *inline(segments(source.lead)), classes=["lead"], translatable=False)
        return [lead, self.links(source)]

    def links(self, source: Source) -> nodes.paragraph:
        """To the source, the layers on it, its cases and tests."""
        shown = nodes.paragraph("", "", classes=["links"], translatable=False)
        layers = dict.fromkeys(layers_of(source).values())
        groups = (("source", [source.path]), ("layer", [*layers]), ("cases", cases_of(source)), ("tests", tests_of(source)))
        for label, paths in groups:
            if not paths:
                continue
            group = nodes.inline("", "", nodes.emphasis("", word(label)))
            for path in paths:
                group += [nodes.Text(" "), nodes.reference("", path.name, refuri=address(path, self.env.docname))]
            shown += group
        return shown

    def body(self, source: Source) -> list[nodes.Node]:
        page = source.page
        found = parts(source.text, self.rule)
        code = nodes.container(classes=["code"])
        if found.textbook:
            code += raw(as_html(source.path, found.textbook))
        fast = source.path.with_name(f"{source.stem}_fast.py")
        if found.fast:
            code += folded(word("The faster form"), raw(as_html(source.path, found.fast)))
        if fast.exists():
            code += folded(f"{word('The faster form')}: {fast.name}", *self.whole(fast))
        if found.calling:
            code += folded(word("Arguments, and the call"), raw(as_html(source.path, found.calling)))
        both = nodes.container("", above(page), code, classes=["page-columns"])
        return [both, below(page)]

    def whole(self, path: Path) -> list[nodes.Node]:
        """A fast form in a file of its own: its docstring and its code."""
        self.env.note_dependency(str(path))
        source = Source(path, "")
        notes = above(source.page)
        notes.insert(0, nodes.paragraph("", "", *inline(segments(source.page.title)), translatable=False))
        lines = source.text.splitlines()
        first = next(place for place, line in enumerate(lines, 1) if place > 1 and line.endswith('"""')) + 2
        return [notes, raw(as_html(path, [(first, len(lines))]))]

    def pictures(self, source: Source) -> list[nodes.Node]:
        names = functions(source.stem)
        if not names:
            return []
        row = nodes.container(classes=["curves"])
        row += [self.picture(curve, name, "curve") for name in names]
        key = raw(f'<p class="key"><b class="y">y</b> {word("and its slope")} <b class="slope">f′</b></p>')
        return [nodes.rubric("", word("Curves"), classes=["label"]), key, row]


class OptimizerPage(OpPage):
    """The same of an optimizer: its rule, and its path through a ravine."""

    def run(self) -> list[nodes.Node]:
        stem = by_path()[self.arguments[0]].stem
        self.rule = stem
        return super().run()

    def pictures(self, source: Source) -> list[nodes.Node]:
        caption = word("Sixty steps from the black dot, on ½ (x² + 20 y²), whose minimum is the cross.")
        row = nodes.container(classes=["paths"])
        row += [self.picture(path_of, name, "path") for name in optimizers_of(source)]
        text = nodes.paragraph("", caption, classes=["told"], translatable=False)
        return [nodes.rubric("", word("Its path through a ravine"), classes=["label"]), text, row]


class OpTable(Generated):
    def run(self) -> list[nodes.Node]:
        return tables.op_table(self.arguments[0], self.env.docname)


class OptimizerTable(Generated):
    def run(self) -> list[nodes.Node]:
        return tables.optimizer_table(self.env.docname)


class LayerTable(Generated):
    def run(self) -> list[nodes.Node]:
        return tables.layer_table(self.env.docname, *self.arguments)


class Claim(Generated):
    def run(self) -> list[nodes.Node]:
        name, folder = self.arguments[0], self.config.claims_results
        self.env.note_dependency(str(ROOT / "zoo" / "claims" / f"{name}.py"))
        made = claims.claim_nodes(name, self.language, Path(folder) if folder else None, self.figures, self.env.docname)
        for node in made:
            if isinstance(node, nodes.image):
                node["uri"] = "/" + Path(node["uri"]).relative_to(self.env.srcdir).as_posix()
        return made


class ClaimTable(Generated):
    def run(self) -> list[nodes.Node]:
        return claims.claim_table(self.language)


class Titles(SphinxTransform):
    """Titles of generated pages in the language of the book; their files have them in English."""

    default_priority: ClassVar[int] = 5

    def apply(self, **kwargs: object) -> None:
        name = self.env.docname
        if not name.startswith(GENERATED) and name not in ("layers", "losses"):
            return
        for title in self.document.findall(nodes.title):
            text = title.astext()
            stem = name.removeprefix("claims/")
            if name.startswith("claims/") and stem in claims.NAMES:
                text = claims.title_of(stem, "zh" if (self.config.language or "").startswith("zh") else "en")
            title.clear()
            title += nodes.Text(word(text))
            title.source = None  # keeps it out of the catalogues: its words are in extension.po


DIRECTIVES = {
    "op": OpPage, "optimizer": OptimizerPage, "op-table": OpTable, "optimizer-table": OptimizerTable, "layer-table": LayerTable,
    "claim": Claim, "claim-table": ClaimTable,
}  # fmt: skip

"""Tables of contents with formulas: families of ops, optimizers, layers, losses; all from the index."""

from docutils import nodes

from scripts import index

from .catalog import FAMILIES, Source, address, family, layers_of, ops, optimizers, optimizers_of
from .formula import segments
from .measured import table
from .nodes import inline
from .words import word


def relative(source: Source, docname: str) -> str:
    return "../" * docname.count("/") + source.docname + ".html"


def to_page(source: Source, docname: str, text: str = "") -> nodes.reference:
    return nodes.reference("", text or word(source.title), internal=True, refuri=relative(source, docname))


def span(*children: nodes.Node) -> nodes.inline:
    return nodes.inline("", "", *children)


def names(words: str) -> nodes.inline:
    shown = span()
    for place, name in enumerate(words.split()):
        shown += [nodes.Text(", ")] * bool(place) + [nodes.literal(name, name)]
    return shown


def families() -> dict[str, list[Source]]:
    return {name: [s for s in ops() if family(s.path) == name] for name in FAMILIES}


def op_table(folder: str, docname: str) -> list[nodes.Node]:
    """Each page of a family, with the formula of each function on it."""
    rows: list[list[nodes.Node]] = []
    for source in families()[folder]:
        for place, (words, formula) in enumerate(index.OPS.get(source.stem, {"": ""}).items()):
            link = to_page(source, docname) if place == 0 else nodes.Text("")
            rows.append([link, names(words), span(*inline(segments(formula)))])
    return [table([word("page"), word("names"), "y"], rows)]


def optimizer_table(docname: str) -> list[nodes.Node]:
    rows: list[list[nodes.Node]] = []
    for source in optimizers():
        for name in optimizers_of(source):
            rows.append([to_page(source, docname, name), span(*inline(segments(index.RULES[name])))])
    return [table([word("optimizer"), word("step")], rows)]


def layer_table(docname: str, only: str = "") -> list[nodes.Node]:
    """Every layer, or the losses alone, with its page, its own file and its formula."""
    found: list[nodes.Node] = []
    for folder, sources in families().items():
        rows: list[list[nodes.Node]] = []
        for source in sources:
            files = layers_of(source)
            for words, formula in index.OPS.get(source.stem, {}).items():
                layers = [name for name in words.split() if name in files]
                if not layers or (folder == "loss") != (only == "loss"):
                    continue
                path = files[layers[0]]
                link = nodes.reference("", path.name, refuri=address(path, docname))
                rows.append([names(" ".join(layers)), span(*inline(segments(formula))), to_page(source, docname), link])
        if rows:
            if not only:
                found.append(nodes.rubric("", word(FAMILIES[folder])))
            found.append(table([word("layer"), "y", word("derivation"), word("layer's code")], rows))
    if not only:
        rows = []
        for stem in index.WITHOUT_PAGE:
            for words, formula in index.OPS[stem].items():
                path = index.source(getattr(index.nn, words.split()[0]))
                link = nodes.reference("", path.name, refuri=address(path, docname))
                rows.append(
                    [names(words), span(*inline(segments(formula))), nodes.Text(word(index.WITHOUT_PAGE[stem])), link]
                )
        found += [
            nodes.rubric("", word(index.FAMILIES["nn"])),
            table([word("layer"), "y", word("made of"), word("layer's code")], rows),
        ]
    return found

"""What documents say is so: links, commands, the page shown in the README, the index, and how docstrings open."""

import ast
import re
import shlex
from importlib import import_module
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra

import scratch.optim
from scratch.testing.cases import FAMILIES
from scripts import index

ROOT = Path(__file__).parents[1]
DOCUMENTS = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")]
READMES = [ROOT / "README.md", ROOT / "README.zh.md"]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@pytest.mark.parametrize("document", DOCUMENTS, ids=name)
def test_every_link_leads_somewhere(document):
    text = re.sub(r"```.*?```", "", document.read_text(), flags=re.S)
    links = [target for target in re.findall(r"\]\(([^)\s]+)\)", text) if not target.startswith(("http", "mailto"))]
    missing = [target for target in links if not (document.parent / target.partition("#")[0]).exists()]
    assert not missing


def commands(document: Path) -> list[str]:
    """The lines of a document's shell blocks that run one of our commands."""
    blocks = re.findall(r"```sh\n(.*?)```", document.read_text(), re.S)
    lines = [part.strip() for block in blocks for line in block.splitlines() for part in line.split("&&")]
    return [line for line in lines if re.match(r"python scripts/|handgrad-", line)]


@pytest.mark.parametrize("document", READMES, ids=name)
def test_every_command_can_be_run(document):
    """Its script exists, its groups and keys too; what takes a checkpoint or the folder of a run is not composed."""
    found = commands(document)
    assert len(found) > 15
    for line in found:
        words = shlex.split(line, comments=True)
        script = re.sub(r"^handgrad-", "", Path(words[1] if words[0] == "python" else words[0]).stem)
        assert (ROOT / "scripts" / f"{script}.py").exists(), line
        overrides = [word for word in words[1:] if "=" in word]
        config = "layers" if "layers" in words else script
        if not (ROOT / "conf" / f"{config}.yaml").exists() or any("ckpt=" in word for word in overrides):
            continue
        overrides = [f"impl@{word}" if word.startswith("reference=") else word for word in overrides]
        overrides = ["impl=scratch" if word == "impl=their.package" else word for word in overrides]
        GlobalHydra.instance().clear()
        with initialize_config_dir(version_base="1.3", config_dir=str(ROOT / "conf")):
            many = "-m" in words
            compose(config, [word.partition(",")[0] if many else word for word in overrides])


def pieces(document: Path) -> list[str]:
    """Its commands without what follows them, and the paths that it links."""
    lines = [line.partition("  #")[0].strip() for line in commands(document)]
    return lines + sorted(
        set(re.findall(r"\]\(((?:scratch|zoo|docs|conf|tests|scripts)[^)]*)\)", document.read_text()))
    )


def test_both_readmes_say_the_same():
    assert pieces(READMES[0]) == pieces(READMES[1])


@pytest.mark.parametrize("document", READMES, ids=name)
def test_the_page_in_the_readme_is_the_file(document):
    page = index.shown_page()
    assert page in document.read_text(), "run python scripts/index.py"
    file = (ROOT / "scratch/ops/linear.py").read_text()
    assert all(part in file for part in page.removeprefix("```python\n").removesuffix("```").split("\n\nclass"))


def test_the_index_is_complete():
    named = [word for ops in index.OPS.values() for names in ops for word in names.split()]
    assert len(named) == len(set(named))
    assert set(named) == index.public()
    assert set(index.RULES) == set(scratch.optim.__all__) - {"Optimizer"}
    assert set(index.OPS) == set(index.pages()) | set(index.WITHOUT_PAGE)
    assert index.TARGET.read_text() == index.table(), "run python scripts/index.py"


def test_every_page_has_cases_of_its_stem():
    assert set(FAMILIES) == set(index.OPS)
    for stem, ops in index.OPS.items():
        cases = [case.name for case in FAMILIES[stem].CASES]
        allowed = {word for names in ops for word in names.split()}
        strange = {case.split(".")[-1].rstrip("_") for case in cases} - allowed
        assert not strange, f"cases/{stem}.py has cases of {strange}, whose page is another"
        assert import_module(f"scratch.testing.cases.{stem}").__doc__


AGAINST = re.compile(r"\(\d|The same|Those of|That of|As |And |But |Of |Or |With (it|them)\b")


def docstrings() -> list[tuple[str, str]]:
    found = []
    for folder in ("scratch/nn", "scratch/optim", "scratch/testing", "zoo", "scripts"):
        for file in sorted((ROOT / folder).rglob("*.py")):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and (text := ast.get_docstring(node)):
                    found.append((f"{name(file)} {getattr(node, 'name', '')}", text))
    return found


def test_docstrings_open_with_what_a_thing_is():
    assert not [f"{place}: {text.splitlines()[0]}" for place, text in docstrings() if AGAINST.match(text)]


def test_ci_checks_what_is_checked_before_a_commit():
    hooks = re.findall(r"entry: (.*)", (ROOT / ".pre-commit-config.yaml").read_text())
    lines = (ROOT / ".ci/run").read_text().splitlines()
    assert len(hooks) == 3
    assert all(any(line.startswith(hook) for line in lines) for hook in hooks)


def test_paths_that_are_named_exist():
    """In documents, docstrings, comments and configurations; the changelog tells of former ones."""
    files = [*DOCUMENTS, *ROOT.glob("conf/**/*.yaml")]
    files += [file for room in ("scratch", "zoo", "tests", "scripts") for file in ROOT.glob(f"{room}/**/*.py")]
    pattern = re.compile(r"\b(?:scratch|zoo|tests|conf|scripts|docs)/[\w/.-]+\.(?:py|md|yaml)\b")
    found = [
        (file, path) for file in files if file.name != "CHANGELOG.md" for path in pattern.findall(file.read_text())
    ]
    assert not [f"{name(file)}: {path}" for file, path in found if not (ROOT / path).exists()]

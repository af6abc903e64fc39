"""The exercises: each is made blank, its page's formula passes, and a mistake in it is named."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from scratch.testing import exercises
from scratch.testing.exercises import EXERCISES, Source, WrongCommand, hints, make, next_hint, written
from scratch.testing.mutation import forked

ROOT = Path(__file__).resolve().parents[3]
QUICK = ("sigmoid", "linear")
every_exercise = pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in EXERCISES]
)


def checked(name: str, folder: Path, text: str) -> tuple[bool, str]:
    """What `check` says of a file with this text, in a process of its own, since it changes modules."""
    (folder / f"{name}.py").write_text(text)
    return tuple(forked(lambda: exercises.check(name, folder), 60))


def doubled(text: str) -> str:
    """The same file with a mistake planted: the first gradient that the formula returns is twice as large."""
    tree = ast.parse(text)
    formula = next(n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name in exercises.FORMULAS)

    def twice(value: ast.expr) -> ast.expr:
        match value:
            case ast.Tuple([first, *others]):
                return ast.Tuple([twice(first), *others], ast.Load())
            case ast.IfExp(test, body, orelse):
                return ast.IfExp(test, twice(body), twice(orelse))
        return ast.BinOp(ast.Constant(2), ast.Mult(), value)

    for node in ast.walk(formula):
        if isinstance(node, ast.Return) and node.value is not None:
            node.value = twice(node.value)
    return ast.unparse(ast.fix_missing_locations(tree))


def test_there_are_twenty():
    assert len(EXERCISES) == 20


@pytest.mark.parametrize("name", EXERCISES)
def test_the_blank_says_what_to_do(name, tmp_path):
    make(name, tmp_path)
    right, words = exercises.check(name, tmp_path)
    assert not right
    assert "still blank" in words
    assert Source(name).returned() in words
    assert f"hint {name}" in words


@pytest.mark.parametrize("name", EXERCISES)
def test_the_file_does_not_give_the_answer_away(name):
    source = Source(name)
    text = written(name)
    answer = [line.strip() for line in source.lines(source.formula).splitlines()[2:] if "#" in line]
    assert not [line for line in answer if line in text]
    docstring = ast.get_docstring(ast.parse(text)) or ""
    outside_kinks = re.sub(r"Kinks:.*?(?=\n\S|\Z)", "", docstring, flags=re.DOTALL)
    lines = outside_kinks.splitlines()[1:]
    assert not [line for line in lines if exercises.BAR.search(line)]


@every_exercise
def test_the_pages_own_formula_is_right(name, tmp_path):
    right, words = checked(name, tmp_path, written(name, solved=True))
    assert right, words
    assert re.search(r"largest relative error (0|\d)e[+-]\d+", words)


@every_exercise
def test_a_planted_mistake_is_named(name, tmp_path):
    right, words = checked(name, tmp_path, doubled(written(name, solved=True)))
    assert not right
    assert "2 times too large" in words, words


def test_an_error_is_placed(tmp_path):
    text = written("linear", solved=True).replace("x_bar = y_bar @ W", "x_bar = y_bar @ V")
    right, words = checked("linear", tmp_path, text)
    assert not right
    line = 1 + text.splitlines().index("        x_bar = y_bar @ V  # (3)")
    assert f"linear.py:{line}: NameError" in words


def test_hints_come_one_at_a_time(tmp_path):
    given = [next_hint("lstm", tmp_path) for _ in range(len(hints("lstm")) + 1)]
    assert [words.split(":")[0].split()[1] for words in given[:3]] == ["1", "2", "3"]
    assert given[-1] == given[-2]
    assert "lstm.py" in given[-1]
    assert any("āᵍ = c̄ₜ i · (1 − g²)" in words for words in given)


@pytest.mark.parametrize("name", EXERCISES)
def test_hints_end_with_the_formulas_and_where_they_stand(name):
    found = hints(name)
    assert len(found) >= 3
    assert any(exercises.BAR.search(hint) for hint in found[1:-1])
    first, last = map(int, re.search(r"lines (\d+) to (\d+)", found[-1]).groups())
    assert first == Source(name).formula.lineno < last


def test_a_file_is_not_written_over(tmp_path):
    make("linear", tmp_path)
    with pytest.raises(WrongCommand, match="is there already"):
        make("linear", tmp_path)


def test_the_command(tmp_path, capsys):
    def run(*words):
        status = exercises.main(["--folder", str(tmp_path), *words])
        said = capsys.readouterr()
        return status, said.out + said.err

    assert len(run("list")[1].splitlines()) == 20
    assert run("lstn") == (2, f"error: no exercise is named 'lstn'; there are {', '.join(EXERCISES)}\n")
    assert run("check", "lstm")[0] == 2
    assert run("lstm")[0] == 0
    assert "begun" in run("list")[1]
    assert "still blank" in run("check", "lstm")[1]
    assert run("hint", "lstm")[1].startswith("hint 1 of")
    assert run("solve", "the", "lstm")[0] == 2


def test_the_script():
    call = [sys.executable, ROOT / "scripts" / "exercise.py", "list"]
    assert "LSTMFn.adjoint" in subprocess.run(call, capture_output=True, text=True, check=True).stdout

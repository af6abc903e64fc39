"""A planted mistake is caught by the harness, and one that the checks cannot see survives."""

import re

import pytest

from scratch.testing.mutation import PAGES, REVIEWED, ROOT, TESTS, mutants, plant


def test_its_lists_name_what_is_there():
    for place, words in REVIEWED:
        every = [mutant for group in mutants(place.split()[0]).values() for mutant in group]
        assert [m for m in every if f"{m.file} {m.function}" == place and words in m.diff()], (place, words)
    for file, test in TESTS.items():
        path, name = test.split("::")
        assert file in PAGES
        assert f"def {name}(" in (ROOT / "tests" / "scratch" / path).read_text(), test


@pytest.mark.slow
def test_every_mistake_in_bilinear_is_killed(capsys):
    assert plant(["bilinear.py"], per_function=4, seed=0, only="Bilinear") == []
    assert "8 mistakes in 1 files: 8 killed;" in capsys.readouterr().out


@pytest.mark.slow
def test_what_no_check_looks_at_survives():
    assert len(plant(["bilinear.py"], per_function=2, seed=0, only="Bilinear", checks=("outputs",))) == 4


@pytest.mark.slow
def test_where_no_case_looks_a_test_does(capsys):
    plant(["batch_norm.py"], per_function=1, seed=0, only="none of them")
    assert re.search(r"killed: .* SumOverProcessesFn.adjoint, .*test_a_group_of_one_process", capsys.readouterr().out)

"""More than a hundred wrong commands: each ends by itself, with a status that says how, and none with a traceback."""

from collections import Counter

import pytest

from tests.zoo.training import wrong_commands
from tests.zoo.training.test_strangers import checkpoint, text_model, translator

STATUSES = {0, 1, 2, 129, 130, 138, 143}


@pytest.fixture(scope="module")
def checkpoints(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoints")
    models = {"eval": None, "export": None, "generate": text_model(), "translate": translator()}
    for name, model in models.items():
        checkpoint(str(folder / f"{name}.ckpt"), model)
    return {name: folder / f"{name}.ckpt" for name in models}


def check(count: int, seed: int, checkpoints, tmp_path) -> Counter:
    wrong_commands.prepare()
    ends: Counter = Counter()
    for number, wrong in enumerate(wrong_commands.commands(count, seed, checkpoints)):
        end = wrong_commands.outcome(wrong, tmp_path / str(number))
        ends[end.status] += 1
        assert "Traceback" not in end.err + end.out, (wrong, end.err)
        endless = end.status == 124 and any(word.endswith("999999999999") for word in wrong.words)  # epochs, asked for
        assert endless or end.status in STATUSES, (wrong, end)
        if end.status == 2 and not wrong.stream:
            assert end.err.count("error: ") == 1, (wrong, end.err)
    print(dict(ends))
    return ends


def test_a_few(checkpoints, tmp_path):
    assert check(8, 1, checkpoints, tmp_path)[2] > 0


@pytest.mark.slow
@pytest.mark.parametrize("seed", [10, 11])
def test_many(seed, checkpoints, tmp_path):
    """In two parts, which may run side by side."""
    ends = check(60, seed, checkpoints, tmp_path)
    assert ends.total() == 60
    assert ends[2] > 20

"""NaN and infinity end a run, and the file that it leaves shows them again."""

import subprocess
import sys

import pytest
import torch

from tests.zoo.runs import ROOT
from zoo.base.classifier import Classifier
from zoo.callbacks.finite import packed, unpacked
from zoo.core.errors import Failure
from zoo.tools.rerun import rerun

pytestmark = pytest.mark.filterwarnings("ignore")


def test_the_first_layer_that_gives_nan(train, monkeypatch, capsys):
    """The run ends at the batch, the file shows the same layer again, and no weight has taken it up."""
    step = Classifier.training_step

    def spoiled(self, batch, batch_idx):
        if self.global_step == 2:
            self.network[3].weight.data[0, 0] = torch.nan
        return step(self, batch, batch_idx)

    monkeypatch.setattr(Classifier, "training_step", spoiled)
    with pytest.raises(Failure, match=r"epoch 0, batch 2: the loss is NaN; first in the layer network\.3 \(Linear\)"):
        train("broken", "trainer.precision=32-true")
    monkeypatch.setattr(Classifier, "training_step", step)
    kept = torch.load("broken/not_finite.pt", weights_only=True)
    assert kept["config"]["seed"] == 0
    assert all(value.isfinite().all() for name, value in kept["state_dict"].items() if name != "network.3.weight")
    seen = rerun("broken/not_finite.pt")
    assert [what for _, _, _, what in seen][:4] == ["", "", "", "NaN"]
    assert "network.3 (Linear): NaN" in capsys.readouterr().out


def test_nan_in_an_input(train, monkeypatch):
    from zoo.data.images import ImageData

    plain = ImageData.on_after_batch_transfer

    def spoiled(self, batch, dataloader_idx):
        pictures, labels = plain(self, batch, dataloader_idx)
        if self.trainer.training and self.trainer.global_step == 1:
            pictures[0, 0, 0, 0] = torch.inf
        return pictures, labels

    monkeypatch.setattr(ImageData, "on_after_batch_transfer", spoiled)
    with pytest.raises(Failure, match="epoch 0, batch 1: the input holds infinity"):
        train("broken")
    assert torch.load("broken/not_finite.pt", weights_only=True)["batch_idx"] == 1


def test_batches_of_every_kind_can_be_kept(tmp_path):
    from torch.nn.utils.rnn import pack_padded_sequence

    sequences = pack_padded_sequence(torch.randn(3, 2, 4), torch.tensor([2, 3]), enforce_sorted=False)
    torch.save(packed((sequences, torch.tensor([1, 2]))), tmp_path / "batch.pt")
    input, target = unpacked(torch.load(tmp_path / "batch.pt", weights_only=True))
    assert type(input) is type(sequences)
    assert torch.equal(input.data, sequences.data)
    assert target.tolist() == [1, 2]


@pytest.mark.parametrize("module", ["zoo.tools.rerun", "zoo.guard"])
def test_both_commands(module, tmp_path):
    """Of today, and as runs of before have printed it."""
    for words in ([], [str(tmp_path / "none.pt")]):
        done = subprocess.run([sys.executable, "-m", module, *words], cwd=ROOT, capture_output=True, text=True)
        assert done.returncode == 2
        assert done.stderr.startswith("error: ")
        assert done.stderr.count("\n") == 1

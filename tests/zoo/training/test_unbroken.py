"""A run that is cut at a random step, by a random signal, and resumed is the unbroken one, bit for bit: weights, the
states of optimizer and schedule, every row of metrics.csv with the means of the epochs, and the metrics of the test."""

import os
import random
import shutil
import signal
from pathlib import Path

import pytest
import torch

from tests.zoo.runs import checkpoint, metrics, same
from zoo.base.classifier import Classifier
from zoo.training import record

SHORT = ["+trainer.limit_train_batches=6", "+trainer.limit_val_batches=2", "+trainer.limit_test_batches=1"]
SHORT += ["trainer.max_epochs=3", "trainer.log_every_n_steps=1", "logger=csv", "callbacks.progress=null"]
SHORT += ["callbacks.curves=null", "+trainer.enable_progress_bar=false"]
PICTURES = ["data.image_size=8", "data.shift=1"]
TINY = ["impl=native", "model=mlp", "model.width=4", "model.dropout=0.3", *PICTURES, *SHORT]
STEPS = 18
PLATEAU = ["scheduler=reduce_on_plateau", "scheduler.scheduler.patience=0", "+scheduler.scheduler.threshold=1"]
SCHEDULES = {
    "none": [],
    "cosine": ["scheduler=cosine"],
    "cosine by epoch": ["scheduler=cosine", "scheduler.interval=epoch"],
    "one_cycle": ["scheduler=one_cycle"],
    "warmup_inverse_sqrt": ["scheduler=warmup_inverse_sqrt", "scheduler.scheduler.warmup=5"],
    "step": ["scheduler=step", "scheduler.scheduler.step_size=1"],
    "multistep": ["scheduler=multistep", "scheduler.scheduler.milestones=[1,2]"],
    "exponential": ["scheduler=exponential"],
    "plateau": PLATEAU,
    "plateau of training": [*PLATEAU, "scheduler.monitor=train/loss_epoch"],
    "plateau by step": [*PLATEAU, "+scheduler.interval=step", "scheduler.monitor=train/loss_step"],
    "plateau every second epoch": [*PLATEAU, "+scheduler.frequency=2"],
}
SIGNALS = {signal.SIGINT: 130, signal.SIGTERM: 143, signal.SIGHUP: 129, signal.SIGUSR1: 138}


@pytest.fixture
def cut(start, monkeypatch):
    """Runs a training, and another that a signal reaches during the batch `moment` and that is then resumed; compares
    the two in all that they leave."""
    step = Classifier.training_step
    monkeypatch.setattr(Classifier, "configure_callbacks", lambda self: [])  # pictures take longer than the training
    monkeypatch.setattr(record, "versions", dict)
    monkeypatch.setattr(record, "state_of_the_code", lambda: (None, [], b""))

    def cut(words: list[str], moment: int, number: int) -> None:
        def interrupted(self, batch, batch_idx):
            if self.trainer.fit_loop.epoch_loop.total_batch_idx == moment:
                os.kill(os.getpid(), number)
            return step(self, batch, batch_idx)

        if not Path("unbroken").exists():
            assert start(*words, "paths.run=unbroken") == 0
        shutil.rmtree("cut", ignore_errors=True)
        monkeypatch.setattr(Classifier, "training_step", interrupted)
        assert start(*words, "paths.run=cut") == SIGNALS[number]
        monkeypatch.setattr(Classifier, "training_step", step)
        assert start(*words, "paths.run=cut", "ckpt_path=cut") == 0
        whole, resumed = checkpoint("unbroken"), checkpoint("cut")
        assert same(whole["state_dict"], resumed["state_dict"])
        assert whole["global_step"] == resumed["global_step"]
        assert str(whole["lr_schedulers"]) == str(resumed["lr_schedulers"])
        states = [kept["optimizer_states"][0] for kept in (whole, resumed)]
        assert str(states[0]["param_groups"]) == str(states[1]["param_groups"])
        for key, state in states[0]["state"].items():
            assert all(
                torch.equal(torch.as_tensor(states[1]["state"][key][name]), torch.as_tensor(state[name]))
                for name in state
            )
        assert metrics("unbroken") == metrics("cut")
        assert Path("unbroken/metrics.json").read_text() == Path("cut/metrics.json").read_text()

    return cut


@pytest.mark.parametrize(
    ("schedule", "moment", "number"),
    [
        ("cosine", 8, signal.SIGINT),
        ("plateau", 8, signal.SIGTERM),
        ("plateau", 11, signal.SIGHUP),
        ("none", 17, signal.SIGUSR1),
    ],
)
def test_one_cut(schedule, moment, number, cut):
    """In mid-epoch, after an epoch, and after the last one."""
    cut([*TINY, *SCHEDULES[schedule]], moment, number)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options", [[], ["trainer.accumulate_grad_batches=2", "trainer.gradient_clip_val=0.1"]], ids=str
)
@pytest.mark.parametrize("schedule", SCHEDULES)
def test_many_cuts(schedule, options, cut):
    """Two random moments, and any of the signals."""
    generator = random.Random(f"{schedule} {options}")
    for _ in range(2):
        cut([*TINY, *SCHEDULES[schedule], *options], generator.randrange(STEPS), generator.choice(list(SIGNALS)))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "moment"),
    [
        (["model=resnet", "model.size=tiny", *PICTURES], 8),
        (["model=vit", "model.size=tiny", "model.dropout=0.2", *PICTURES], 8),
        (["model=gat", "data=karate"], 1),
        (["model=sage", "data=karate", "data.neighbours=[5,5]"], 1),
    ],
    ids=["resnet", "vit", "gat", "sage"],
)
def test_other_models(words, moment, cut):
    """With running means, positions, and samples of neighbours."""
    cut([*words, *SHORT], moment, signal.SIGTERM)


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [["+trainer.val_check_interval=0.5"], ["+trainer.check_val_every_n_epoch=2", "+scheduler.frequency=2"]],
    ids=str,
)
def test_cuts_around_validations(words, cut):
    for moment in (1, 2, 3, 8):
        cut([*TINY, *PLATEAU, *words], moment, signal.SIGTERM)

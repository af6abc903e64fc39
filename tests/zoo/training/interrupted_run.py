"""scripts/train.py, whose user presses Ctrl-C in the middle of step 4; test_resume.py starts it."""

import os
import signal
from typing import Any

from zoo.base.classifier import Classifier
from zoo.commands.train import task
from zoo.training.cli import command

step = Classifier.training_step


def interrupted(self: Classifier, batch: Any, batch_idx: int) -> Any:
    if self.global_step == 3 and self.global_rank == 0:
        os.killpg(0, signal.SIGINT)  # as a terminal does: all processes
    return step(self, batch, batch_idx)


if __name__ == "__main__":
    Classifier.training_step = interrupted
    command(task, "train")

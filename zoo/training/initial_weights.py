"""init_from=…: begin with the weights of a checkpoint, and with an optimizer, a rate and data of one's own.

Unlike ckpt_path= this is a new run: epoch 0, no state of an optimizer, any model whose weights have names in common.
"""

from pathlib import Path

import torch
from lightning import LightningModule
from omegaconf import DictConfig
from torch import Tensor

from zoo.core.errors import UsageError, listing
from zoo.training.checkpoint import located, read

SHOWN = 4  # names in a line


class InitialWeights:
    """The tensors of the checkpoint in config.init_from that this model takes: those of the same name and shape.

    Of a run's folder it is the best checkpoint, or where there is none the last. Raises UsageError for a file that is
    no checkpoint, for one without a single such tensor, and beside ckpt_path.
    """

    def __init__(self, config: DictConfig, model: LightningModule) -> None:
        self.taken: dict[str, Tensor] = {}
        self.lines: list[str] = []
        if not config.init_from:
            return
        if config.ckpt_path:
            raise UsageError(
                f"init_from={config.init_from}: not with ckpt_path={config.ckpt_path}, which resumes a run with the "
                "weights that it has"
            )
        runs, names = Path(config.paths.runs) / config.name, ("best.ckpt", "last.ckpt")
        path = located("init_from", str(config.init_from), runs, names)
        theirs, ours = read("init_from", str(path))["state_dict"], model.state_dict()
        self.taken = {name: theirs[name] for name in ours if name in theirs and theirs[name].shape == ours[name].shape}
        if not self.taken:
            raise UsageError(f"init_from={path}: no weight of the name and shape of one of {type(model).__name__}")
        other = [
            f"{name} ({tuple(theirs[name].shape)} there, {tuple(ours[name].shape)} here)"
            for name in ours
            if name in theirs and name not in self.taken
        ]
        self.lines = [f"weights: {len(self.taken)} of {len(ours)} tensors from {path}"]
        for some, said in (
            (other, "of another shape, and so left as new"),
            ([name for name in ours if name not in theirs], "not there, and so left as new"),
            ([name for name in theirs if name not in ours], "there and not here"),
        ):
            if some:
                more = f" and {len(some) - SHOWN} more" if len(some) > SHOWN else ""
                self.lines.append(f"         {said}: {listing(some[:SHOWN])}{more}")

    @torch.no_grad()
    def give(self, model: LightningModule) -> None:
        """Copy them into the model, in its precision."""
        model.load_state_dict(self.taken, strict=False)

"""Pictures that a diffusion model draws, as they clear up."""

from pathlib import Path
from typing import Any

import torch
from lightning import Callback, LightningModule, Trainer

from zoo.callbacks.pictures.latent_walk import COLUMNS, ROWS, grid_of_pictures
from zoo.core.files import save_figure

LEFT = (1.0, 0.8, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05, 0.0)  # of the steps, for each row


class ClearingUp(Callback):
    """After a test draw clearing_up.png, in which each row shows the same pictures later, from noise to the end; and
    samples.png, more pictures that the model has drawn."""

    def on_test_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if not trainer.is_global_zero:
            return
        model: Any = pl_module
        drawn = torch.stack([pictures.float().cpu() for pictures in model.drawn(ROWS * COLUMNS)])
        steps = len(drawn) - 1
        left = [round(share * steps) for share in LEFT]
        rows = drawn[[steps - t for t in left], :COLUMNS]
        folder = Path(trainer.default_root_dir) / "pictures"
        figure = grid_of_pictures(rows.clamp(0, 1), "noise clears up to pictures", [f"t = {t}" for t in left])
        save_figure(figure, folder / "clearing_up.png")
        figure = grid_of_pictures(drawn[-1].unflatten(0, (ROWS, COLUMNS)).clamp(0, 1), f"drawn in {steps} steps")
        save_figure(figure, folder / "samples.png")

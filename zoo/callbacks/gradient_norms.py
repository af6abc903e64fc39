"""The norm of each layer's gradient, step by step: it shows layers that do not learn, and gradients that explode."""

from collections import defaultdict

import torch
from lightning import Callback, LightningModule, Trainer
from torch import Tensor
from torch.optim import Optimizer


class GradientNorms(Callback):
    """Log grad_norm/<layer>, the norm of the gradient by its own parameters, and grad_norm/all, before clipping."""

    def on_before_optimizer_step(self, trainer: Trainer, pl_module: LightningModule, optimizer: Optimizer) -> None:
        if trainer.global_step % trainer.log_every_n_steps:  # type: ignore[attr-defined]
            return
        layers: dict[str, list[Tensor]] = defaultdict(list)
        for name, parameter in pl_module.named_parameters():
            if parameter.grad is not None:
                layers[name.rpartition(".")[0]].append(norm(parameter.grad))
        norms = {f"grad_norm/{layer}": norm(torch.stack(parts)) for layer, parts in layers.items()}
        if norms:
            pl_module.log_dict({**norms, "grad_norm/all": norm(torch.stack(list(norms.values())))}, on_step=True)


def norm(x: Tensor) -> Tensor:
    """The norm of a gradient, which may be sparse, in float32."""
    return (x.coalesce().values() if x.is_sparse else x).detach().float().norm()

"""TODO."""

import sys
from typing import Any

import torch
from hydra.utils import get_class
from rich.console import Console

from zoo.callbacks.finite import Seen, first, unpacked, watched
from zoo.core.errors import UsageError
from zoo.training.checkpoint import kind_of


def rerun(path: str) -> Seen:
    """Call the model of a file of `Finite` on its batch, and print what each layer gives."""
    try:
        kept = torch.load(path, weights_only=True)
        model: Any = get_class(kind_of(kept))(**kept["hyper_parameters"])
    except (OSError, KeyError, RuntimeError) as error:
        raise UsageError(f"{path}: not a file of a run that ended at NaN or infinity") from error
    model.load_state_dict(kept["state_dict"])
    model.log = model.log_dict = lambda *_, **__: None
    torch.set_rng_state(kept["random"])
    console = Console()
    with torch.no_grad(), watched(model.train()) as seen:
        loss = model.training_step(unpacked(kept["batch"]), kept["batch_idx"])
    for name, module, _, what in seen:
        console.print(f"{name} ({type(module).__name__}): {what or 'finite'}", highlight=False, soft_wrap=True)
    console.print(f"loss {float(loss)}; {first(seen)}", highlight=False, soft_wrap=True)
    return seen


if __name__ == "__main__":
    try:
        if len(sys.argv) != 2:
            raise UsageError("which file? python -m zoo.guard runs/…/not_finite.pt")
        rerun(sys.argv[1])
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(2)

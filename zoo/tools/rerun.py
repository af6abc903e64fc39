"""The training step that ended a run at NaN or infinity, once more.

    python -m zoo.tools.rerun runs/…/not_finite.pt

calls the model on the batch that `zoo.callbacks.finite.Finite` has saved, and prints for each layer whether its output
is finite.
"""

import sys
from typing import Any

import torch
from hydra.utils import get_class
from rich.console import Console

from zoo.callbacks.finite import Outputs, first_not_finite, unpacked, watched
from zoo.core.errors import UsageError
from zoo.training.checkpoint import kind_of
from zoo.training.cli import mistakes_in_one_line


def rerun(path: str) -> Outputs:
    """Call the model of a file of `Finite` on its batch, and print the state of each layer's output."""
    try:
        saved = torch.load(path, weights_only=True)
        model: Any = get_class(kind_of(saved))(**saved["hyper_parameters"])
    except (OSError, KeyError, RuntimeError) as error:
        raise UsageError(f"{path}: not a file of a run that ended at NaN or infinity") from error
    model.load_state_dict(saved["state_dict"])
    model.log = model.log_dict = lambda *_, **__: None
    torch.set_rng_state(saved["random"])
    console = Console()
    with torch.no_grad(), watched(model.train()) as outputs:
        loss = model.training_step(unpacked(saved["batch"]), saved["batch_idx"])
    for name, module, _, what in outputs:
        console.print(f"{name} ({type(module).__name__}): {what or 'finite'}", highlight=False, soft_wrap=True)
    console.print(f"loss {float(loss)}; {first_not_finite(outputs)}", highlight=False, soft_wrap=True)
    return outputs


def main() -> None:
    """The command line: one argument, the file."""
    with mistakes_in_one_line(traceback_wanted=False):
        if len(sys.argv) != 2:
            raise UsageError("which file? python -m zoo.tools.rerun runs/…/not_finite.pt")
        rerun(sys.argv[1])


if __name__ == "__main__":
    main()

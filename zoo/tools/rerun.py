"""The training step that ended a run at NaN or infinity, once more.

    python -m zoo.tools.rerun runs/…/not_finite.pt

calls the model on the batch that `zoo.callbacks.finite.Finite` has saved, and prints for each layer whether its output
is finite.
"""

import sys
from typing import Any


def rerun(path: str) -> Any:
    """Call the model of a file of `Finite` on its batch; print and return the state of each layer's output."""
    import torch
    from rich.console import Console

    from zoo.callbacks.finite import first_not_finite, unpacked, watched
    from zoo.core.errors import UsageError
    from zoo.training.checkpoint import read, untrained_model

    saved = read("file", path, also=("batch", "batch_idx", "random"))
    model: Any = untrained_model(saved, f"file={path}")
    model.load_state_dict(saved["state_dict"])
    model.log = model.log_dict = lambda *_, **__: None
    console = Console()
    try:
        torch.set_rng_state(saved["random"])
        with torch.no_grad(), watched(model.train()) as outputs:
            loss = model.training_step(unpacked(saved["batch"]), saved["batch_idx"])
    except (TypeError, ValueError, RuntimeError, LookupError, AttributeError) as error:
        raise UsageError(f"file={path}: its batch does not fit its model: {' '.join(str(error).split())}") from error
    for name, module, _, what in outputs:
        console.print(f"{name} ({type(module).__name__}): {what or 'finite'}", highlight=False, soft_wrap=True)
    console.print(f"loss {float(loss)}; {first_not_finite(outputs)}", highlight=False, soft_wrap=True)
    return outputs


def main() -> None:
    """The command line: the file, and perhaps trust=their.package."""
    sys.path.append(sys.path.pop(0))  # the current folder, which python -m puts before the standard library
    from zoo.core.errors import UsageError
    from zoo.core.trust import heed, leave_current_folder
    from zoo.training.cli import mistakes_in_one_line

    leave_current_folder()
    heed(sys.argv[1:])
    with mistakes_in_one_line(traceback_wanted=False):
        files = [word for word in sys.argv[1:] if not word.startswith("trust=")]
        if len(files) != 1:
            raise UsageError("which file? python -m zoo.tools.rerun runs/…/not_finite.pt")
        rerun(files[0])


if __name__ == "__main__":
    main()

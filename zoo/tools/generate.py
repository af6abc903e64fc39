"""TODO."""

import os
import sys
from itertools import chain
from typing import Any

from omegaconf import DictConfig

from zoo.core.errors import UsageError
from zoo.text.sampling import generate, opening
from zoo.training.checkpoint import asked_for, kind_of, trained_model


def write(config: DictConfig) -> None:
    """Print the prompt, and then what the model of a checkpoint makes of it, as it comes."""
    path, checkpoint = asked_for(config.ckpt, "a language model")
    if "alphabet" not in checkpoint["hyper_parameters"]:
        raise UsageError(f"ckpt={path}: holds a {kind_of(checkpoint)}, which is no language model")
    model: Any = trained_model(checkpoint, config.impl.layers if "impl" in config else None)
    prompt = opening(model.alphabet) if config.prompt is None else config.prompt
    text = generate(model, prompt, config.length, config.temperature, config.top_k, config.seed)
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal may lack a character
    try:
        for piece in chain([config.prompt or ""], text):
            print(piece, end="", flush=True)
        print()
    except KeyboardInterrupt:
        print()
        sys.exit(130)
    except BrokenPipeError:  # as of `… | head`: the reader has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())

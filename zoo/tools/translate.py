"""TODO."""

import os
import sys
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig

from zoo.base.translator import check_decoding
from zoo.core.errors import UsageError
from zoo.training.checkpoint import asked_for, kind_of, trained_model


def answer(config: DictConfig) -> None:
    """Print what the model of a checkpoint makes of the text, or of each line of standard input as it comes."""
    path, checkpoint = asked_for(config.ckpt, "a model of translation")
    options = checkpoint["hyper_parameters"]
    if "target_vocabulary" not in options:
        raise UsageError(f"ckpt={path}: holds a {kind_of(checkpoint)}, which is no model of translation")
    options |= {name: config[name] for name in ("beam", "length_penalty", "max_length") if config[name] is not None}
    check_decoding("", options["beam"], options["length_penalty"], options["max_length"])
    model: Any = trained_model(checkpoint, config.impl.layers if "impl" in config else None)
    sys.stdout.reconfigure(errors="replace")  # type: ignore[union-attr]  # a terminal may lack a character
    try:
        for text in lines() if config.text is None else [config.text]:
            print(model.translate(text), flush=True)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # as of `… | head`: the reader has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def lines() -> Iterator[str]:
    """Those of standard input."""
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    try:
        for line in sys.stdin:
            yield line.rstrip("\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"standard input: not a text in UTF-8: {error}") from None

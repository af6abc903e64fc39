"""Translations by a translation model, from its checkpoint."""

import sys
from collections.abc import Iterator
from typing import Any

from omegaconf import DictConfig

from zoo.base.translator import check_decoding
from zoo.core.errors import UsageError
from zoo.training.checkpoint import asked_for, kind_of, trained_model
from zoo.training.cli import streaming_output

DECODING = ("beam", "length_penalty", "max_length")


def translate(config: DictConfig) -> None:
    """Print the translation of config.text, or of each line of standard input as it comes."""
    path, checkpoint = asked_for(config.ckpt, "a model of translation")
    options = checkpoint["hyper_parameters"]
    if not {"target_vocabulary", *DECODING} <= options.keys():
        raise UsageError(f"ckpt={path}: holds a {kind_of(checkpoint)}, which is no model of translation")
    options |= {name: config[name] for name in DECODING if config[name] is not None}
    check_decoding("", options["beam"], options["length_penalty"], options["max_length"])
    model: Any = trained_model(checkpoint, config.impl.layers if "impl" in config else None)
    with streaming_output():
        for text in lines() if config.text is None else [config.text]:
            print(model.translate(text), flush=True)


def lines() -> Iterator[str]:
    """The lines of standard input."""
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    try:
        for line in sys.stdin:
            yield line.rstrip("\n")
    except UnicodeDecodeError as error:
        raise UsageError(f"standard input: not a text in UTF-8: {error}") from None

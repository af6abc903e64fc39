"""Text that a language model writes, from its checkpoint."""

from typing import Any

from omegaconf import DictConfig

from zoo.core.errors import UsageError
from zoo.text.sampling import generate, opening
from zoo.training.checkpoint import asked_for, kind_of, trained_model
from zoo.training.cli import streaming_output


def write(config: DictConfig) -> None:
    """Print the prompt and its continuation by the model of the checkpoint config.ckpt, character by character."""
    path, checkpoint = asked_for(config.ckpt, "a language model")
    if "alphabet" not in checkpoint["hyper_parameters"]:
        raise UsageError(f"ckpt={path}: holds a {kind_of(checkpoint)}, which is no language model")
    model: Any = trained_model(checkpoint, config.impl.layers if "impl" in config else None)
    prompt = opening(model.alphabet) if config.prompt is None else config.prompt
    text = generate(model, prompt, config.length, config.temperature, config.top_k, config.seed)
    with streaming_output():
        print(config.prompt or "", end="", flush=True)
        for character in text:
            print(character, end="", flush=True)
        print()

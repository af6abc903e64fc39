"""Export a checkpoint: python scripts/export.py ckpt=… (--help lists the choices)."""

from omegaconf import DictConfig

from zoo.cli import command


def task(config: DictConfig) -> None:
    from zoo.export import export

    export(config)


def prepare(words: list[str]) -> None:
    if any(word.startswith("ckpt=") for word in words):  # else --help answers at once
        from zoo.evaluation import offer_as_trained

        offer_as_trained(words)


if __name__ == "__main__":
    command(task, "export", prepare)

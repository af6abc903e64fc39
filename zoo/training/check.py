"""The checks of a run's configuration, before anything is built.

They are of the values that belong to the run as a whole. The values of a part, such as data.batch_size, are checked by
the part's own constructor, which zoo/training/build.py calls.
"""

from omegaconf import DictConfig

from zoo.core.errors import UsageError, at_least, between, listed, one_of, whole
from zoo.training.processes import is_parallel


def check(config: DictConfig) -> None:
    """Raise UsageError, one line that names the value and the legal ones, for the first wrong value."""
    between("seed", config.seed, 0, 2**32)
    whole("seed", config.seed, 0)
    listed("tags", config.tags)
    whole("trainer.max_epochs", config.trainer.max_epochs, 1)
    whole("trainer.accumulate_grad_batches", config.trainer.accumulate_grad_batches, 1)
    whole("trainer.log_every_n_steps", config.trainer.log_every_n_steps, 0)
    if config.trainer.gradient_clip_val is not None:
        at_least("trainer.gradient_clip_val", config.trainer.gradient_clip_val, 0)
    if config.tune is not None:
        one_of("tune", config.tune, ("lr",))
        if is_parallel(config):
            raise UsageError("tune=lr: needs one process; take trainer=cpu or trainer=gpu")

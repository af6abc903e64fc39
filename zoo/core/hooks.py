"""Lightning asks each callback for each hook, a dozen callbacks for a score of hooks around every step; a hook that
does nothing costs as much as one that does little."""

from collections.abc import Iterable

from lightning import Callback

HOOKS = [name for name in vars(Callback) if name.startswith("on_") and not name.endswith("_checkpoint")]


def leave_out_empty(callbacks: Iterable[Callback]) -> None:
    """Take from each callback the hooks that it inherits from `Callback`, which are empty: Lightning passes over a
    hook that cannot be called."""
    for callback in callbacks:
        for name in HOOKS:
            if getattr(type(callback), name) is getattr(Callback, name):
                setattr(callback, name, None)

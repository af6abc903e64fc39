"""In which form the ops run: plain, scratch or compiled.

    with scratch.plain():           the textbook form of every op, as its page writes it
        loss = model(batch)
        loss.backward()
    with scratch.compiled(): ...    the textbook form, compiled
                                    otherwise: the fast form where an op has one, else the textbook form

A backward pass runs in the form of its forward pass, wherever it is called from.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

FORMS = ("plain", "scratch", "compiled")
FORM: ContextVar[str] = ContextVar("form", default="scratch")


@contextmanager
def form(name: str) -> Iterator[None]:
    """A context in which the ops run in the form of this name."""
    if name not in FORMS:
        raise ValueError(f"form {name!r}: legal are {', '.join(FORMS)}")
    token = FORM.set(name)
    try:
        yield
    finally:
        FORM.reset(token)


def plain():
    """A context, or a decorator, in which every op and optimizer runs in its textbook form."""
    return form("plain")


def compiled():
    """A context, or a decorator, in which ops and optimizers run compiled, where they can be."""
    return form("compiled")

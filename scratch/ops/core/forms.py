"""In which form the ops run: plain, scratch or compiled.

    with scratch.plain():           the textbook form of every op, as its page writes it
        loss = model(batch)
        loss.backward()
    with scratch.compiled() as ran: the textbook form, compiled
        loss = model(batch)
        print(ran)                  what ran compiled so far, and what did not and why
                                    otherwise: the fast form where an op has one, else the textbook form

A backward pass runs in the form of its forward pass, wherever it is called from.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from scratch.ops.core.compiler import ran

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


@contextmanager
def compiled() -> Iterator[Counter[tuple[str, str]]]:
    """A context, or a decorator, in which ops and optimizers run compiled, where they can be.

    The context is the counter `ran`: (function, "compiled" or why not) -> how often, since the process began or since
    ``ran.clear()``. An op that has no compiled form, such as a product, is not in it.
    """
    with form("compiled"):
        yield ran

"""The pages of `scratch` on which the derivation of an op stands, found by running it."""

import inspect
import sys
from functools import cache
from types import FrameType
from typing import Any

from scratch.testing.calls import Case
from scratch.testing.packages import load
from scratch.testing.running import Layer, run

OPS = "scratch.ops."  # by name: the harness imports nothing of it


@cache
def pages(case: Case) -> tuple[str, ...]:
    """The modules of scratch.ops that the forward and backward of a case go through, if their docstrings number their
    equations."""
    seen: dict[str, None] = {}

    def trace(frame: FrameType, event: str, argument: Any) -> None:
        name = frame.f_globals.get("__name__", "")
        if name.startswith(OPS):
            seen[name] = None

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        run(Layer(case, "scratch.nn"))
    except Exception:  # not an op of scratch
        return ()
    finally:
        sys.settrace(before)
    return tuple(name for name in seen if "(1)" in (load(name).__doc__ or ""))


def page_of(name: str, title: str) -> list[str]:
    """The docstrings of the pages of a case, by its name and title in the table."""
    from scratch.testing.cases import CASES
    from scratch.testing.suite import identified

    found = next((case for t, case in identified(CASES) if case.name == name and t == title), None)
    return [inspect.cleandoc(load(page).__doc__ or "") for page in pages(found)[:2]] if found else []

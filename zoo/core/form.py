"""The switch between the forms of scratch's ops: ``impl.form`` is plain, scratch or compiled."""

from typing import Any

from scratch.ops.core.forms import FORMS, form
from zoo.core.errors import one_of


def form_of(impl: Any) -> str:
    """The form that an implementation names."""
    name = impl.get("form") or "scratch"
    one_of("impl.form", name, FORMS)
    return name


def in_form(impl: Any) -> Any:
    """A context in which ops and optimizers of scratch run in the form of an implementation."""
    return form(form_of(impl))

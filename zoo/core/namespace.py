"""The switch between implementations: a package's name becomes the namespace that a model is built from."""

from importlib import import_module
from typing import Any

from zoo.core.errors import UsageError, did_you_mean, listing


class Namespace:
    """The layers of a package, as in ``Namespace("scratch.nn").Conv2d``, with a one-line error for a missing name."""

    def __init__(self, package: str) -> None:
        try:
            self._module = import_module(package)
        except ImportError as error:
            raise UsageError(f"impl: cannot import the package {package!r}: {error}") from error
        self._package = package

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # copy and pickle ask for their hooks
            raise AttributeError(name)
        try:
            return getattr(self._module, name)
        except AttributeError:
            offered = [other for other in dir(self._module) if other[:1].isupper()]
            raise UsageError(
                f"impl: the package {self._package!r} has no {name!r}{did_you_mean(name, offered)}; "
                f"it offers {listing(offered)}"
            ) from None

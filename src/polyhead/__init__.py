"""Polyhead: one sentence encoder, many heads."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polyhead.deployment.predictor import Predictor

__version__ = version("polyhead")
__all__ = ["Predictor", "__version__"]


def lazy_exports(package: str, homes: Mapping[str, str]) -> Callable[[str], Any]:
    """Make the ``__getattr__`` of a package whose public names are imported on first use (PEP 562).

    Lightning, scipy and FastAPI take seconds to import; a package that offers names built on them stays cheap this way.

    Args:
        package: dotted name of the package.
        homes: public name -> module of the package, relative to it, that defines the name.
    """

    def get(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        return getattr(import_module(f"{package}.{homes[name]}"), name)

    return get


__getattr__ = lazy_exports(__name__, {"Predictor": "deployment.predictor"})

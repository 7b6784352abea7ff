"""Polyhead: one sentence encoder, many heads."""

from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from polyhead.app.api.compare import compare
    from polyhead.app.api.fit import fit
    from polyhead.app.api.handle import Run
    from polyhead.app.api.predictor import Predictor
    from polyhead.errors import UserError

__version__ = version("polyhead")
__all__ = ["Predictor", "Run", "UserError", "__version__", "compare", "fit"]

_ROOMS = ("data", "deployment", "freezing", "models", "objectives", "runs", "sources", "training")


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


_get = lazy_exports(
    __name__,
    {
        "Predictor": "app.api.predictor",
        "Run": "app.api.handle",
        "UserError": "errors",
        "compare": "app.api.compare",
        "fit": "app.api.fit",
    },
)


def __getattr__(name: str) -> Any:
    """Import a public name, or a room with public names, on first use."""
    return import_module(f"polyhead.{name}") if name in _ROOMS else _get(name)


def __dir__() -> list[str]:
    return [*__all__, *_ROOMS]

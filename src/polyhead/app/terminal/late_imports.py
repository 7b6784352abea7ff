"""Late imports: what a library imports for another's sake, and nobody here uses, waits until somebody does."""

import sys
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

_USES = ("__path__", "__all__")  # asked for by imports of a module inside, and of all names


class LateSignal(ModuleType):
    """Stands in for ``scipy.signal`` until something of it is used.

    torchmetrics imports it to give it a name that old versions of another library ask for, which takes a tenth of the
    time that a training run needs to begin. It finds that name here.
    """

    hamming = None

    def __init__(self) -> None:
        super().__init__("scipy.signal")
        self.__spec__ = ModuleSpec(self.__name__, None)

    def __getattr__(self, name: str) -> Any:
        """Import the module itself, and look there; who only looks at all modules, as ``inspect`` does, sees none."""
        if name.startswith("__") and name not in _USES:
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(import_module(self.__name__), name)


def delay_scipy_signal() -> None:
    """Let nobody import ``scipy.signal`` who does not use it, unless it is imported already."""
    sys.modules.setdefault("scipy.signal", LateSignal())

"""Late imports: what a library imports for another's sake, and nobody here uses, waits until somebody does.

Together they take a third of the time that a command which computes answers needs to begin (docs/lab/speed.md). What is
used all the same is imported then, and is itself.
"""

import sys
from collections.abc import Sequence
from functools import cache
from importlib import import_module
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from polyhead.app.terminal.kept_scan import keep_scan

_LOOKS = "transformers.utils.import_utils"  # where transformers looks for what is installed, and for its own models
_KERNELS = "torch._meta_registrations"  # of tensors without memory, those that are written in Python
_MASKS = "torch._dynamo._trace_wrapped_higher_order_op"  # of which transformers' masks take one name


class LateModule(ModuleType):
    """Stands in for a module until something is used that it does not have itself.

    Args:
        name: of the module.
        package: whether it has modules inside.
        needs: name of another stand-in, whose module is imported before this one.
        names: what the stand-in has itself.
    """

    def __init__(self, name: str, package: bool, needs: str | None = None, **names: Any) -> None:
        super().__init__(name)
        self._needs = needs
        self.__spec__ = ModuleSpec(name, None)
        self._uses = ("__path__", "__all__") if package else ("__all__",)  # for imports inside it, and of all names
        self.__dict__.update(names)

    def __getattr__(self, name: str) -> Any:
        """Import the module itself, and look there; who only looks at all modules, as ``inspect`` does, sees none."""
        if name.startswith("__") and name not in self._uses:
            raise AttributeError(name)
        return getattr(self.load(), name)

    def load(self) -> ModuleType:
        """Return the module itself, imported if it was not."""
        needed = sys.modules.get(self._needs) if self._needs else None
        if isinstance(needed, LateModule):
            needed.load()
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return import_module(self.__name__)


class _TransformersFinder(MetaPathFinder):
    """Finds the module where transformers looks around, and has it look once, and not for everything.

    Args:
        absent: functions that will say that a library is not there.
    """

    def __init__(self, absent: Sequence[str]) -> None:
        self.absent = list(absent)

    def find_spec(self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None) -> Any:
        """Return the spec of that module, and None of all others."""
        if fullname != _LOOKS:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(fullname, path)
        if spec is not None and spec.loader is not None:
            spec.loader = _TransformersLoader(spec, spec.loader, self.absent)
        return spec


class _TransformersLoader(Loader):
    def __init__(self, spec: ModuleSpec, loader: Loader, absent: Sequence[str]) -> None:
        self.spec, self.loader, self.absent = spec, loader, absent

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        """Leave it to the loader of the module."""
        return self.loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        """Run the module, and change its functions before others take them."""
        self.spec.loader = self.loader
        self.loader.exec_module(module)
        for name in self.absent:
            if hasattr(module, name):
                setattr(module, name, lambda: False)
        if scan := getattr(module, "create_import_structure_from_path", None):
            # It reads the files of all models, for the list of the package and for that of `models`.
            once = cache(keep_scan(module, scan))
            module.create_import_structure_from_path = lambda path: once(_folder(path))  # type: ignore[attr-defined]


def _folder(path: str | Path) -> str:
    return str(Path(path).parent if Path(path).is_file() else path)


_FINDER = _TransformersFinder(["is_scipy_available"])


def delay_unused() -> None:
    """Let what no command uses wait, unless it is imported already.

    - ``scipy.signal``, which torchmetrics imports to give it a name that old versions of another library ask for.
    - ``scipy.optimize``, for losses of object detection in transformers, which also looks through its models once only.
    """
    sys.modules.setdefault("scipy.signal", LateModule("scipy.signal", package=True, hamming=None))
    if _FINDER not in sys.meta_path:
        sys.meta_path.insert(0, _FINDER)


def delay_training() -> None:
    """Let what only training uses wait, too, unless it is imported already: for commands that compute answers alone.

    - ``torch._dynamo``, the front of torch's compiler, which transformers imports to mark functions for it.
    - ``torch.distributed.tensor``, weights that lie on several devices.
    - ``torch._meta_registrations``, by which the compiler works out shapes. Encoders without memory are built by it,
      too, but what torch has in C++ is enough for them, and needs no sympy; of each family the outcome is the same.
    """
    sys.modules.setdefault(_KERNELS, LateModule(_KERNELS, package=False))
    marks = {"disable": _unmarked, "assume_constant_result": _unmarked, "allow_in_graph": _unmarked}
    sys.modules.setdefault("torch._dynamo", LateModule("torch._dynamo", package=True, needs=_KERNELS, **marks))
    masks = LateModule(_MASKS, package=False)
    masks.TransformGetItemToIndex = lambda: masks.load().TransformGetItemToIndex()  # type: ignore[attr-defined]
    sys.modules.setdefault(_MASKS, masks)
    _FINDER.absent.append("is_torch_distributed_available")


def _unmarked(function: Any = None, *_: Any, **__: Any) -> Any:
    """Return a function as it is; the compiler, which is not there, needs no mark on it."""
    return (lambda marked: marked) if function is None else function

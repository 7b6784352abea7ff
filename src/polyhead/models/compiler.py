"""The compiler that ``torch.compile`` calls. Knows nothing about models."""

import os
import shutil

from polyhead.errors import UserError


def check_compiler(device: str) -> None:
    """Check that there is what compiles layers for a device.

    Args:
        device: ``cpu``; others bring what they need, or say themselves what they lack.

    Raises:
        UserError: there is no C++ compiler for a processor.
    """
    if device != "cpu":
        return
    try:
        from torch._inductor.cpp_builder import get_cpp_compiler
        from torch._inductor.exc import InvalidCxxCompiler
    except ImportError:  # another version of torch looks for it elsewhere
        return
    try:
        get_cpp_compiler()
    except InvalidCxxCompiler as error:
        raise UserError(
            "compile=true: there is no C++ compiler, which torch.compile calls; install g++, name another in the "
            "environment as CXX, or set compile=false"
        ) from error


def has_c_compiler() -> bool:
    """Return whether there is the C compiler with which Triton builds what starts its kernels on a GPU."""
    return bool(os.environ.get("CC") or shutil.which("gcc") or shutil.which("clang"))

"""Config folder: where the configuration that ships lies. Imports nothing heavy."""

from pathlib import Path

import polyhead

_PACKAGE = Path(polyhead.__file__).parent
_INSTALLED = _PACKAGE / "configs"

CONFIGS = _INSTALLED if _INSTALLED.is_dir() else _PACKAGE.parents[1] / "configs"
"""In the package, as a wheel has it; in a checkout, which an editable install uses, beside ``src``."""

"""Model files: those of an installed package, a local folder or the hub. Knows nothing about what they say."""

import logging
from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache
from transformers.utils.hub import cached_file

from polyhead.errors import ParameterError, one_line
from polyhead.storage.documents import read_json

log = logging.getLogger(__name__)

PACKAGE = "package:"
_LONGEST_REASON = 120  # characters


@dataclass(frozen=True)
class ModelFiles:
    """The files of a model.

    Args:
        location: ``package:NAME``, a local folder, or a name on the hub.
    """

    location: str

    @property
    def is_local(self) -> bool:
        """Whether the files lie on this machine by themselves, and not in the hub's cache."""
        return self.location.startswith(PACKAGE) or Path(self.location).is_dir()

    @property
    def name(self) -> str:
        """The folder, or the name on the hub.

        Raises:
            ParameterError: the package is not installed, or holds no model.
        """
        return str(package_folder(self.location)) if self.location.startswith(PACKAGE) else self.location

    def find(self, path: str) -> Path | None:
        """Return a file by its path within the model; None if the model has none of that name, or is not to be found.

        A file of the hub is downloaded, or taken from the cache.
        """
        if self.is_local:
            local = Path(self.name, path)
            return local if local.is_file() else None
        quiet = {
            f"_raise_exceptions_for_{kind}": False for kind in ("missing_entries", "connection_errors", "gated_repo")
        }
        try:
            found = cached_file(self.location, path, **quiet)
        except OSError:  # no such name, or none that may be read
            found = None
        return None if found is None else Path(found)

    def may_be_missing(self, path: str) -> bool:
        """Return whether a file that was not found may still exist, on a hub that cannot be reached."""
        return not self.is_local and try_to_load_from_cache(self.location, path) is None

    def read(self, path: str, kind: type) -> Any:
        """Read a JSON file of the model; None if there is none.

        Args:
            path: within the model.
            kind: what its content must be, ``dict`` or ``list``.

        Raises:
            ParameterError: it is damaged, or holds something else.
        """
        found = self.find(path)
        if found is None:
            return None
        try:
            content = read_json(found)
        except (OSError, ValueError) as error:
            reason = one_line(error, _LONGEST_REASON)
            raise ParameterError(
                f"location: {str(found)!r} cannot be read ({reason}); copy the folder again"
            ) from error
        if not isinstance(content, kind):
            raise ParameterError(
                f"location: {str(found)!r} holds {content!r:.40}; it is not as sentence-transformers writes it"
            )
        return content


def package_folder(location: str) -> Path:
    """Return the folder of the model that an installed package holds.

    Raises:
        ParameterError: the package is not installed, or holds no model.
    """
    package = location.removeprefix(PACKAGE)
    if not package.isidentifier() or find_spec(package) is None:
        raise ParameterError(f"location: the Python package {package!r} is not installed; run: pip install {package}")
    folder = getattr(import_module(package), "MODEL_DIR", None)
    if folder is None:
        raise ParameterError(f"location: the Python package {package!r} holds no model; it has no MODEL_DIR")
    return Path(folder)

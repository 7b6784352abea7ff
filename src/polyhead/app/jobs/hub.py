"""Hub: bundles in repositories of the Hugging Face hub, uploaded and fetched. Imports nothing heavy by itself."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from polyhead.errors import UserError, one_line

_REPOSITORY = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_LONGEST_REASON = 300  # characters
_LOG_IN = "run hf auth login, or set HF_TOKEN"


def is_repository(name: str) -> bool:
    """Return whether a name has the form ``owner/name``."""
    return _REPOSITORY.fullmatch(name) is not None


def check_repository(name: object) -> None:
    """Check the name of a repository; None names none.

    Raises:
        UserError: it is not of the form ``owner/name``.
    """
    if name is not None and not (isinstance(name, str) and is_repository(name)):
        raise UserError(f"push: {name!r} given; it must be owner/name of a repository on the hub")


def push(folder: Path, repository: str) -> str:
    """Upload a bundle, and return the address of its page.

    A repository that is not there yet is made, for the owner alone: who may read it is decided on its page.

    Args:
        folder: of the bundle.
        repository: ``owner/name``.

    Raises:
        UserError: the hub cannot be reached, or refuses.
    """
    from huggingface_hub import HfApi

    with _hub_errors("push", repository):
        api = HfApi()
        address = api.create_repo(repository, private=True, exist_ok=True)
        # What an earlier bundle left there would not belong to this one, and loading refuses that.
        api.upload_folder(
            repo_id=repository, folder_path=folder, delete_patterns="*", commit_message=f"Polyhead bundle {folder.name}"
        )
    return str(address)


def fetch(repository: str) -> Path:
    """Download a bundle into the hub's cache, unless it is there already, and return its folder.

    Args:
        repository: ``owner/name``, of which there is no folder here.

    Raises:
        UserError: the hub cannot be reached and the cache does not have it, or the hub refuses.
    """
    from huggingface_hub import snapshot_download

    with _hub_errors("folder: nothing here is called so", repository):
        return Path(snapshot_download(repository))


@contextmanager
def _hub_errors(parameter: str, repository: str) -> Iterator[None]:
    """Turn what the hub's library raises into an error of one line."""
    from huggingface_hub.errors import HfHubHTTPError, LocalTokenNotFoundError

    try:
        yield
    except LocalTokenNotFoundError as error:
        raise UserError(f"{parameter}: the hub asks who you are; {_LOG_IN}") from error
    except HfHubHTTPError as error:
        reason = error.server_message or one_line(error, _LONGEST_REASON)
        advice = f"; {_LOG_IN}, and see that you may use it" if error.response.status_code in (401, 403, 404) else ""
        raise UserError(f"{parameter}: {repository!r}: the hub says: {reason}{advice}") from error
    except Exception as error:  # the network, the cache and the disk raise all kinds
        reason = one_line(error, _LONGEST_REASON)
        raise UserError(f"{parameter}: {repository!r}: no answer of the hub ({reason})") from error

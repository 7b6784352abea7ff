"""Study places: what the user may give as a storage -> the storage. Knows nothing about what lies there."""

from pathlib import Path

from polyhead.errors import UserError
from polyhead.runs.study_file import STUDY, StudyFile
from polyhead.runs.study_journal import StudyJournal
from polyhead.runs.study_server import StudyServer
from polyhead.runs.study_storage import StudyStorage

_JOURNAL = "journal:"
_SERVERS = ("postgresql://", "postgres://")


def find_storage(given: str | None, folder: Path, study: str | None = None) -> StudyStorage:
    """Return the storage of a study.

    Args:
        given: ``journal:PATH`` or ``postgresql://...``; None is a file in the folder.
        folder: of the study.
        study: its name in a storage that may hold several; None is ``tuning``.

    Raises:
        UserError: it is none of these, or has no place for a name.
    """
    if given is None:
        if study is not None:
            raise UserError(f"study: {study!r} given; a name is for a storage that holds several, see storage=")
        return StudyFile(folder)
    if given.startswith(_JOURNAL) and (path := given.removeprefix(_JOURNAL)):
        return StudyJournal(Path(path).expanduser(), study or STUDY)
    if given.startswith(_SERVERS):
        return StudyServer(given, study or STUDY)
    raise UserError(
        f"storage: {given!r} given; it must be journal:PATH, a file that all hosts see, or "
        "postgresql://USER@HOST/DATABASE; without it the study is a file in its folder, for one host"
    )

"""The files of a run, written and read back: folder, record, summary, soup, tuning, report."""

from typing import TYPE_CHECKING

from polyhead import lazy_exports

if TYPE_CHECKING:
    from polyhead.runs.contents import Provenance, RunMetrics
    from polyhead.runs.folder import RunFolder
    from polyhead.runs.predictions import Predictions
    from polyhead.runs.record import RunRecord
    from polyhead.runs.soup import Soup
    from polyhead.runs.tuning import Tuning

__all__ = [
    "Predictions",
    "Provenance",
    "RunFolder",
    "RunMetrics",
    "RunRecord",
    "Soup",
    "Tuning",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "Predictions": "predictions",
        "Provenance": "contents",
        "RunFolder": "folder",
        "RunMetrics": "contents",
        "RunRecord": "record",
        "Soup": "soup",
        "Tuning": "tuning",
    },
)

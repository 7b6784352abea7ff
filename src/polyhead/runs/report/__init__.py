"""Many runs -> one comparison, as a page, a table and JSON. Knows nothing about how runs come about."""

from typing import TYPE_CHECKING

from polyhead import lazy_exports

if TYPE_CHECKING:
    from polyhead.runs.report.comparison import Comparison, compare
    from polyhead.runs.report.files import write

__all__ = [
    "Comparison",
    "compare",
    "write",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "Comparison": "comparison",
        "compare": "comparison",
        "write": "files",
    },
)

"""A trained model as a folder that loads elsewhere: weights, heads, graph, stored sentences, model card."""

from typing import TYPE_CHECKING

from polyhead import lazy_exports

if TYPE_CHECKING:
    from polyhead.deployment.bundle.folder import Bundle
    from polyhead.deployment.bundle.manifest import Manifest, TaskEntry

__all__ = [
    "Bundle",
    "Manifest",
    "TaskEntry",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "Bundle": "folder",
        "Manifest": "manifest",
        "TaskEntry": "manifest",
    },
)

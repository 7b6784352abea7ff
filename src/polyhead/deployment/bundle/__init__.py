"""A trained model as a folder that loads elsewhere: weights, heads, graph, stored sentences, model card."""

from typing import TYPE_CHECKING

from polyhead import lazy_exports

if TYPE_CHECKING:
    from polyhead.deployment.bundle.classifiers import write_classifiers
    from polyhead.deployment.bundle.folder import Bundle, new_folder, write_model
    from polyhead.deployment.bundle.graph import quantize, write_graph
    from polyhead.deployment.bundle.manifest import Manifest, TaskEntry, seal
    from polyhead.deployment.bundle.model_card import model_card
    from polyhead.deployment.bundle.neighbors import Neighbors

__all__ = [
    "Bundle",
    "Manifest",
    "Neighbors",
    "TaskEntry",
    "model_card",
    "new_folder",
    "quantize",
    "seal",
    "write_classifiers",
    "write_graph",
    "write_model",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "write_classifiers": "classifiers",
        "Bundle": "folder",
        "new_folder": "folder",
        "write_model": "folder",
        "quantize": "graph",
        "write_graph": "graph",
        "Manifest": "manifest",
        "TaskEntry": "manifest",
        "seal": "manifest",
        "model_card": "model_card",
        "Neighbors": "neighbors",
    },
)

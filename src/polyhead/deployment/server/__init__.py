"""The HTTP server: a bundle's predictions as JSON, and a page to try it on. Knows nothing about configurations."""

from typing import TYPE_CHECKING

from polyhead import lazy_exports

if TYPE_CHECKING:
    from polyhead.deployment.server.batcher import Batcher, ClosingError, QueueFullError
    from polyhead.deployment.server.limits import Limits
    from polyhead.deployment.server.service import create_app

__all__ = ["Batcher", "ClosingError", "Limits", "QueueFullError", "create_app"]

__getattr__ = lazy_exports(
    __name__,
    {
        "Batcher": "batcher",
        "ClosingError": "batcher",
        "QueueFullError": "batcher",
        "Limits": "limits",
        "create_app": "service",
    },
)

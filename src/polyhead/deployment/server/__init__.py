"""The HTTP server: a bundle's predictions as JSON, and a page to try it on. Knows nothing about configurations."""

from typing import TYPE_CHECKING

from polyhead import lazy_exports

if TYPE_CHECKING:
    from polyhead.deployment.server.access import read_token
    from polyhead.deployment.server.batcher import Batcher, ClosingError, QueueFullError
    from polyhead.deployment.server.connection import bounded_by
    from polyhead.deployment.server.limits import Limits
    from polyhead.deployment.server.service import create_app

__all__ = ["Batcher", "ClosingError", "Limits", "QueueFullError", "bounded_by", "create_app", "read_token"]

__getattr__ = lazy_exports(
    __name__,
    {
        "Batcher": "batcher",
        "ClosingError": "batcher",
        "QueueFullError": "batcher",
        "Limits": "limits",
        "bounded_by": "connection",
        "create_app": "service",
        "read_token": "access",
    },
)

"""The HTTP server: a bundle's predictions as JSON, and a page to try it on. Knows nothing about configurations."""

from typing import TYPE_CHECKING

from polyhead import lazy_exports

if TYPE_CHECKING:
    from polyhead.deployment.server.access import read_token
    from polyhead.deployment.server.batcher import Batcher, ClosingError, QueueFullError
    from polyhead.deployment.server.connection import bounded_by
    from polyhead.deployment.server.limits import Limits
    from polyhead.deployment.server.models import ServedModel, check_names
    from polyhead.deployment.server.process import EarlyHangUp, ServerProcess, hang_up_kept
    from polyhead.deployment.server.service import Service, create_app, create_service

__all__ = [
    "Batcher",
    "ClosingError",
    "EarlyHangUp",
    "Limits",
    "QueueFullError",
    "ServedModel",
    "ServerProcess",
    "Service",
    "bounded_by",
    "check_names",
    "create_app",
    "create_service",
    "hang_up_kept",
    "read_token",
]

__getattr__ = lazy_exports(
    __name__,
    {
        "Batcher": "batcher",
        "ClosingError": "batcher",
        "QueueFullError": "batcher",
        "Limits": "limits",
        "bounded_by": "connection",
        "ServedModel": "models",
        "check_names": "models",
        "ServerProcess": "process",
        "EarlyHangUp": "process",
        "hang_up_kept": "process",
        "Service": "service",
        "create_app": "service",
        "create_service": "service",
        "read_token": "access",
    },
)

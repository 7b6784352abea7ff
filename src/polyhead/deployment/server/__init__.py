"""The HTTP server: a bundle's predictions as JSON, and a page to try it on. Knows nothing about configurations."""

from polyhead.deployment.server.batcher import Batcher, ClosingError, QueueFullError
from polyhead.deployment.server.limits import Limits
from polyhead.deployment.server.service import create_app

__all__ = ["Batcher", "ClosingError", "Limits", "QueueFullError", "create_app"]

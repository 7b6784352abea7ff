"""Polyhead: one sentence encoder, many heads."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from polyhead.predict import Predictor

__all__ = ["Predictor"]


def __getattr__(name: str) -> object:
    """Import on first use, so that importing the package stays cheap."""
    if name == "Predictor":
        from polyhead.predict import Predictor

        return Predictor
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

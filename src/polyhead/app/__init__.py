"""Configuration -> objects -> a run; the only place that knows Hydra."""

__all__: list[str] = []

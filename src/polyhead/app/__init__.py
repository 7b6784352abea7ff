"""Configuration -> objects -> a run; beside the commands the only place that knows Hydra."""

__all__: list[str] = []

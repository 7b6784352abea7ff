"""Training from a configuration: one run from its start to its files, and what is made of several."""

__all__: list[str] = []

"""The commands, ``polyhead train`` and the others: arguments -> a call of the app, and an exit code."""

__all__: list[str] = []

"""The terminal: what a person types and sees, from the arguments of a command to its exit code."""

__all__: list[str] = []

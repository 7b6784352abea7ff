"""The configuration of a run or a command: composed, checked, written and read back; what it may build."""

__all__: list[str] = []

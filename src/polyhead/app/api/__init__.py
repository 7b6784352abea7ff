"""What a Python program has of a run: fit it, use it, compare it, without Hydra in sight."""

__all__: list[str] = []

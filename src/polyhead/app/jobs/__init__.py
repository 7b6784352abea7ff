"""The jobs of the commands that use a trained model: predict, encode, evaluate, label, export, serve."""

__all__: list[str] = []

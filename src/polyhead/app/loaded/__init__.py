"""A trained run or a bundle, loaded from its files to be scored, continued or used."""

__all__: list[str] = []

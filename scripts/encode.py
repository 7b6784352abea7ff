"""The command ``polyhead encode`` from a checkout: ``python scripts/encode.py``; ``--help`` for more."""

from polyhead.commands.encode import command

if __name__ == "__main__":
    command()

"""The command ``polyhead export`` from a checkout: ``python scripts/export.py``; ``--help`` for more."""

from polyhead.commands.export import command

if __name__ == "__main__":
    command()

"""The command ``polyhead reproduce`` from a checkout: ``python scripts/reproduce.py``; ``--help`` for more."""

from polyhead.commands.reproduce import command

if __name__ == "__main__":
    command()

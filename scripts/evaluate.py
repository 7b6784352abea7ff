"""The command ``polyhead evaluate`` from a checkout: ``python scripts/evaluate.py``; ``--help`` for more."""

from polyhead.commands.evaluate import command

if __name__ == "__main__":
    command()

"""The command ``polyhead tune`` from a checkout: ``python scripts/tune.py``; ``--help`` for more."""

from polyhead.commands.tune import command

if __name__ == "__main__":
    command()

"""The command ``polyhead label`` from a checkout: ``python scripts/label.py``; ``--help`` for more."""

from polyhead.commands.label import command

if __name__ == "__main__":
    command()

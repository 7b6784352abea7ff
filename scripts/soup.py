"""The command ``polyhead soup`` from a checkout: ``python scripts/soup.py``; ``--help`` for more."""

from polyhead.commands.soup import command

if __name__ == "__main__":
    command()

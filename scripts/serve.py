"""The command ``polyhead serve`` from a checkout: ``python scripts/serve.py``; ``--help`` for more."""

from polyhead.commands.serve import command

if __name__ == "__main__":
    command()

"""The command ``polyhead cache`` from a checkout: ``python scripts/cache.py``; ``--help`` for more."""

from polyhead.commands.cache import command

if __name__ == "__main__":
    command()

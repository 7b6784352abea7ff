"""The command ``polyhead report`` from a checkout: ``python scripts/report.py``; ``--help`` for more."""

from polyhead.commands.report import command

if __name__ == "__main__":
    command()

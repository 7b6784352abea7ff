"""The command ``polyhead predict`` from a checkout: ``python scripts/predict.py``; ``--help`` for more."""

from polyhead.commands.predict import command

if __name__ == "__main__":
    command()

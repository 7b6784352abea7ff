"""Train and evaluate a multi-task sentence transformer: ``python train.py freeze=backbone``; ``--help`` for more."""

from polyhead.commands.train import command

if __name__ == "__main__":
    command()

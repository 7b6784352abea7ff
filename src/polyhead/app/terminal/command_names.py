"""Command names: what the command is called that is running. Imports nothing heavy.

An installed package has ``polyhead train``; a checkout has ``python train.py`` and ``python scripts/predict.py``, too.
"""

import re
import sys
from pathlib import Path

COMMANDS = {
    "train": "train and evaluate a model; all that it takes is a choice of the configuration",
    "sweep": "train once per combination of choices (train -m)",
    "report": "compare runs: a page, tables and a JSON file",
    "tune": "search for better choices, judged on validation alone",
    "soup": "average the weights of several runs into one model",
    "reproduce": "train a run again from its files, and say whether its metrics are the same",
    "evaluate": "score a run or a bundle on labelled sentences that came later",
    "export": "write a run's model as a bundle",
    "predict": "predict all tasks for every row of a table",
    "encode": "turn texts into embeddings",
    "label": "say what to label next, or which labels are wrong",
    "serve": "serve a bundle over HTTP",
    "cache": "show what is kept on disk for later runs, or clear it",
    "init": "write a small project to start from",
}
"""Command -> what it does, in the order of use."""

_PACKAGED = Path(__file__).parents[2] / "commands"
_IN_CHECKOUT = re.compile(rf"(?<![\w/.-])(?:python )?(?:scripts/)?({'|'.join(COMMANDS)})\.py\b")


def in_package() -> bool:
    """Return whether the running command is one of the package, and no script of a checkout."""
    return Path(sys.argv[0]).parent == _PACKAGED


def program() -> str:
    """Return what the running command is called: ``polyhead report``, or ``report.py``."""
    path = Path(sys.argv[0])
    return f"polyhead {path.stem}" if in_package() else path.name


def as_called(text: str) -> str:
    """Return a text whose commands are called as the running one is, also where it only mentions them.

    >>> as_called("python train.py freeze=backbone")
    'python train.py freeze=backbone'
    """
    return _IN_CHECKOUT.sub(r"polyhead \1", text) if in_package() else text

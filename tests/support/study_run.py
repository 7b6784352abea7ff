"""Searches until a study has six trials; test_tuning.py starts two at once.

PYTHONPATH=tests python tests/support/study_run.py FOLDER
"""

import sys
from pathlib import Path

from support.studies import distance, make_tuning

from polyhead.runs.tuning import open_study, search

if __name__ == "__main__":
    tuning = make_tuning()
    search(open_study(Path(sys.argv[1]), tuning, "max", None, {}), lambda trial: distance(trial, tuning), 6)

"""Searches until a study has six trials, and prints how it ended; test_search.py starts two at once.

PYTHONPATH=tests python tests/support/study_run.py FOLDER [STORAGE] [TRIAL IN WHICH IT HANGS]
"""

import json
import sys
import time
from pathlib import Path

from support.studies import distance, make_tuning

from polyhead.runs.search import search
from polyhead.runs.study_places import find_storage
from polyhead.runs.tuning import open_study

TRIALS = 6


def main(folder, storage=None, hangs=None):
    tuning, place = make_tuning(), find_storage(storage or None, Path(folder))
    default = {"lr": 0.05, "size": 1, "rule": "equal"}
    study = open_study(place, tuning, "max", default, {})

    def objective(trial):
        values = distance(trial, tuning)
        (Path(folder) / f"trial-{trial.number}").mkdir()  # fails where another process has begun the same one
        time.sleep(600 if str(trial.number) == hangs else 0.1)
        return values

    search(study, place, objective, TRIALS)
    print(json.dumps([[it.number, it.state.name, it.params, it.values] for it in study.get_trials()]))


if __name__ == "__main__":
    main(*sys.argv[1:])

"""How files are read that a trained model is given: as those of its training, of the tasks that are asked for."""

import pytest
from omegaconf import OmegaConf

from polyhead.app.loaded.later_reading import later_files
from polyhead.app.loaded.scored_model import ScoredModel
from polyhead.errors import ParameterError
from polyhead.tasks import Task

TRAINED = {"text": "body", "columns": {"tone": "mood", "topic": "subject"}}


def files(folder, columns=None, labels=("dry", "warm"), **trained):
    (folder / "later.csv").write_text(f"body,mood,subject\nhello,{labels[0]},news\n")
    reading = {**TRAINED, **trained}
    scored = ScoredModel(None, (Task("tone", labels),), None, {}, {}, "32-true", None, False, reading)
    config = OmegaConf.create({"columns": columns, "cache": str(folder / "cache"), "limit_gb": 1.0})
    return later_files(scored, config, str(folder / "later.csv"), "audit")


def test_columns_of_the_training_are_those_of_the_tasks_that_are_left(tmp_path):
    found = files(tmp_path)
    assert (found.text, found.columns) == ("body", {"tone": "mood"})


def test_columns_of_the_command_are_of_tasks_that_there_are(tmp_path):
    with pytest.raises(ParameterError, match="columns: unknown task 'topic'; Valid: tone"):
        files(tmp_path, {"topic": "subject"})


@pytest.mark.parametrize(("known", "lines"), [(None, 1), ([], 0)])
def test_what_training_knows_of_missing_values_is_not_asked_again(tmp_path, caplog, known, lines):
    found = files(tmp_path, labels=("none", "warm"), missing_values=known)
    found.check([Task("tone", ("none", "warm"))])
    assert caplog.text.count("where it is a class, data.missing_values=[]") == lines

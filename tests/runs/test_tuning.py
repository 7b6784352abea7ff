import re
from types import SimpleNamespace

import optuna
import pytest
from support.studies import SPACE, distance, make_tuning
from support.training import make_data, make_module, make_trainer

from polyhead.errors import ParameterError, UserError
from polyhead.runs.search import search
from polyhead.runs.study_file import StudyFile
from polyhead.runs.tuning import Pruning, open_study


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"space": {}}, "space: {} given; it must be at least one key"),
        ({"space": {"lr": {"low": 1}}}, "space.lr: {'low': 1} given"),
        ({"space": {"lr": {"low": 2, "high": 1}}}, "low < high"),
        ({"space": {"lr": {"low": 0, "high": 1, "log": True}}}, "low above 0"),
        ({"space": {"lr": 3}}, "space.lr: 3 given"),
        ({"objectives": ["seconds"]}, "it must be quality, then any of seconds"),
        ({"objectives": ["quality", "beauty"]}, "it must be quality, then any of seconds"),
        ({"seeds": []}, "seeds: [] given; it must be one or more"),
        ({"pruning": {}}, "pruning: {} given; it must be startup_trials and warmup_epochs"),
        ({"pruning": {"startup_trials": -1, "warmup_epochs": 0}}, "each 0 or more"),
    ],
)
def test_tuning_refuses_parameters_that_are_not_well_formed(changes, message):
    with pytest.raises(ParameterError, match=re.escape(message)):
        make_tuning(**changes)


def test_tuning_reports_all_problems_at_once():
    with pytest.raises(ParameterError) as caught:
        make_tuning(space={"lr": 3, "size": []}, seeds=[])
    assert [line.split(":")[0] for line in str(caught.value).splitlines()] == ["space.lr", "space.size", "seeds"]


def test_tuning_suggests_values_inside_the_space_and_whole_numbers_stay_whole():
    tuning, study = make_tuning(), optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for _ in range(30):
        values = tuning.suggest(study.ask())
        assert tuning.outside(values) == []
        assert isinstance(values["size"], int)


def test_tuning_names_the_keys_whose_values_lie_outside_the_space():
    assert make_tuning().outside({"lr": 1.0, "size": 3, "rule": "other"}) == ["lr", "rule"]
    assert make_tuning().outside({"lr": 0.01, "size": 3, "rule": "equal"}) == []


@pytest.mark.parametrize(
    ("seeds", "changes", "message"),
    [
        ([0, 1], {}, r"something else \(seeds: \[0\] -> \[0, 1\]\), whose values do not compare"),
        ([0], {"rule": ["equal"]}, r"another space \(rule: \['equal', 'fixed'\] -> \['equal'\]\); bounds may move"),
        ([0], {"size": [1, 2]}, r"another space \(size: whole numbers -> \[1, 2\]\)"),
        ([0], {"lr": {"low": 1e-4, "high": 1e-1}}, r"another space \(lr: numbers, log -> numbers\)"),
    ],
)
def test_study_refuses_seeds_and_lists_that_do_not_compare(tmp_path, seeds, changes, message):
    place = StudyFile(tmp_path)
    study = open_study(place, make_tuning(), "max", None, {})
    study.optimize(lambda trial: distance(trial, make_tuning())[0], n_trials=1)
    other = make_tuning(seeds=seeds, space={**SPACE, **changes})
    with pytest.raises(UserError, match=message):
        open_study(place, other, "max", None, {})


def test_study_continues_with_other_bounds_and_fewer_keys(tmp_path):
    place = StudyFile(tmp_path)
    study = open_study(place, make_tuning(), "max", None, {})
    study.optimize(lambda trial: distance(trial, make_tuning())[0], n_trials=1)
    wider = make_tuning(space={"lr": SPACE["lr"], "size": {"low": 1, "high": 16}})
    open_study(place, wider, "max", None, {}).optimize(lambda trial: distance(trial, wider)[0], n_trials=1)
    assert len(study.get_trials()) == 2


@pytest.mark.slow
def test_study_continues_on_its_own_subject_alone(tmp_path):
    subject = {"tasks.mood": ["a", "b"], "train sentences": "3f2a"}
    open_study(StudyFile(tmp_path), make_tuning(), "max", None, subject)
    open_study(StudyFile(tmp_path), make_tuning(), "max", None, subject)
    other = {"tasks.topic": ["c"], "train sentences": "77aa"}
    line = r"holds a study of something else \(tasks.mood: \['a', 'b'\] -> None, and 2 more\)"
    with pytest.raises(UserError, match=line):
        open_study(StudyFile(tmp_path), make_tuning(), "max", None, other)


@pytest.mark.slow
def test_study_continues_where_it_stopped_and_begins_with_the_default(tmp_path, capsys):
    tuning, default = make_tuning(), {"lr": 0.05, "size": 1, "rule": "equal"}
    study = open_study(StudyFile(tmp_path), tuning, "max", default, {})
    search(study, StudyFile(tmp_path), lambda trial: distance(trial, tuning), 3)
    again = open_study(StudyFile(tmp_path), tuning, "max", default, {})
    search(again, StudyFile(tmp_path), lambda trial: distance(trial, tuning), 5)
    assert [trial.number for trial in again.trials] == [0, 1, 2, 3, 4]
    assert again.trials[0].params == default
    assert again.best_value == max(trial.value for trial in again.trials)
    search(again, StudyFile(tmp_path), lambda trial: pytest.fail("the study has its trials"), 5)
    assert capsys.readouterr().out.count("complete") == 5


@pytest.mark.slow
def test_study_counts_a_trial_that_breaks_as_failed(tmp_path):
    tuning = make_tuning()
    study = open_study(StudyFile(tmp_path), tuning, "max", None, {})

    def breaks(trial):
        raise RuntimeError("out of memory")

    search(study, StudyFile(tmp_path), breaks, 2)
    assert [trial.state.name for trial in study.trials] == ["FAIL", "FAIL"]


@pytest.mark.slow
def test_study_of_several_objectives_has_a_front(tmp_path):
    tuning = make_tuning(objectives=["quality", "seconds"])
    study = open_study(StudyFile(tmp_path), tuning, "max", None, {})
    search(study, StudyFile(tmp_path), lambda trial: [size := tuning.suggest(trial)["size"], float(size)], 6)
    assert not tuning.prunes
    assert len({trial.params["size"] for trial in study.best_trials}) == len({t.params["size"] for t in study.trials})


@pytest.mark.slow
def test_study_of_other_objectives_is_left_alone(tmp_path):
    open_study(StudyFile(tmp_path), make_tuning(), "max", None, {})
    for other in (make_tuning(objectives=["quality", "seconds"]), make_tuning()):
        with pytest.raises(UserError, match="choose another folder"):
            open_study(StudyFile(tmp_path), other, "min", None, {})


def test_study_refuses_a_file_that_is_none(tmp_path):
    (tmp_path / "study.db").write_text("no database")
    with pytest.raises(UserError, match="is no study to continue"):
        open_study(StudyFile(tmp_path), make_tuning(), "max", None, {})


def test_study_that_cannot_be_written_is_told_from_a_damaged_one(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(
        UserError, match=r"folder: .*study' cannot be written \(.*Not a directory.*\); choose another folder"
    ):
        open_study(StudyFile(tmp_path / "file" / "study"), make_tuning(), "max", None, {})

    def full(*args, **kwargs):
        raise RuntimeError("database or disk is full")

    monkeypatch.setattr("optuna.create_study", full)
    with pytest.raises(UserError, match="cannot be written .database or disk is full"):
        open_study(StudyFile(tmp_path), make_tuning(), "max", None, {})


class FakeTrial(SimpleNamespace):
    def report(self, value, step):
        self.reported.append(step)

    def should_prune(self):
        return self.hopeless


@pytest.mark.slow
@pytest.mark.parametrize(("hopeless", "warmup", "epochs"), [(True, 0, 1), (True, 1, 2), (False, 0, 3)])
def test_pruning_stops_a_hopeless_trial_inside_training(tmp_path, model, tasks, hopeless, warmup, epochs):
    trial = FakeTrial(reported=[], hopeless=hopeless)
    pruning = Pruning(trial, "validation/macro_f1", first_step=100, warmup_epochs=warmup)
    trainer = make_trainer(tmp_path, max_epochs=3, callbacks=[pruning])
    fit = lambda: trainer.fit(make_module(model, tasks), make_data(tasks), weights_only=True)  # noqa: E731
    if hopeless:
        with pytest.raises(optuna.TrialPruned):
            fit()
    else:
        fit()
    assert trial.reported == list(range(100, 100 + epochs))


@pytest.mark.slow
def test_a_study_that_was_killed_while_it_was_made_is_made_by_the_next_process(tmp_path, monkeypatch):
    """A kill leaves the partial file and SQLite's journal of it."""

    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr("optuna.create_study", killed)
    with pytest.raises(KeyboardInterrupt):
        open_study(StudyFile(tmp_path), make_tuning(), "max", None, {})
    monkeypatch.undo()
    assert not (tmp_path / "study.db").exists()
    (tmp_path / "study.db.01234567.partial").write_text("half of its tables")
    (tmp_path / "study.db.01234567.partial-journal").write_text("the rest")
    assert open_study(StudyFile(tmp_path), make_tuning(), "max", None, {}).get_trials() == []
    assert sorted(path.name for path in tmp_path.iterdir()) == ["study.db", "study.lock"]

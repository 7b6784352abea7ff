import json

import pytest
from support.run_folders import make_metrics, make_provenance, make_results

from polyhead.errors import UserError
from polyhead.runs.contents import Provenance, RunMetrics
from polyhead.runs.folder import RunFolder

TASK = make_results()


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path)


def test_metrics_are_read_as_they_were_written(run):
    metrics = make_metrics({"category": TASK}, {"news": {"category": TASK}}, soup=["a", "b"], best_epoch=None)
    metrics.write(run)
    assert RunMetrics.read(run) == metrics
    assert run.read_json("metrics.json")["format"] == 2
    assert run.done


def test_provenance_is_read_as_it_was_written(run):
    provenance = make_provenance(choices={"freeze": "none", "soup": None}, git={"commit": "1f", "changed": True})
    provenance.write(run)
    assert Provenance.read(run) == provenance
    assert run.read_json("provenance.json")["format"] == 2


def test_test_sets_are_named_and_those_not_measured_are_left_out():
    metrics = make_metrics({"category": TASK}, {"news": {"category": TASK}, "letters": {}})
    assert list(metrics.test_sets) == ["test", "news"]
    assert make_metrics({"category": TASK}, test={}).test_sets == {}


def test_metrics_of_version_0_1_0_get_the_new_names(run):
    old = vars(make_metrics({"category": TASK})) | {"format": 1}
    old_names = {"ece": "calibration_error", "ece_scaled": "calibration_error_scaled"}
    results = {"category": {old_names.get(name, name): value for name, value in TASK.items()}}
    old |= {"validation": results, "test": results, "shifted": {"news": results}, "features": {"computed": 3}}
    for key in ("format", "extra_test_sets", "activation_cache", "soup"):
        del old[key]
    run.write_json("metrics.json", old)
    read = RunMetrics.read(run)
    expected = {"category": TASK}
    assert read.validation == read.test == read.extra_test_sets["news"] == expected
    assert (read.activation_cache, read.soup) == ({"computed": 3}, ())


def test_provenance_of_version_0_1_0_is_read(run):
    old = make_provenance(choices={"features": "disk", "freeze": "thawing"}, overrides=["seed=1"], data={"test": "1f"})
    run.write_json("provenance.json", vars(old))
    choices = {"activation_cache": "disk", "freeze": "schedule"}
    assert Provenance.read(run) == make_provenance(choices=choices, overrides=["seed=1"], data={"test": "1f"})


@pytest.mark.parametrize("found", [3, 0, "2", None])
def test_metrics_of_an_unknown_format_are_refused_in_one_line(run, found):
    run.write_json("metrics.json", vars(make_metrics({})) | {"format": found})
    with pytest.raises(UserError, match=f"metrics.json' has format {found!r}, .* reads up to 2; install a newer one$"):
        RunMetrics.read(run)


@pytest.mark.parametrize("found", [1, 2])
def test_metrics_without_a_field_are_refused_by_its_name(run, found):
    content = vars(make_metrics({})) | {"format": found}
    del content["validation"], content["seconds"]
    run.write_json("metrics.json", content)
    with pytest.raises(UserError, match="metrics.json' lacks validation, seconds; is it a file of polyhead"):
        RunMetrics.read(run)


def test_fields_that_a_later_version_adds_are_passed_over(run):
    run.write_json("provenance.json", vars(make_provenance()) | {"format": 2, "container": "x"})
    assert Provenance.read(run) == make_provenance()


def test_contents_are_plain_json(run):
    make_metrics({"category": TASK}).write(run)
    make_provenance().write(run)
    assert json.loads((run.folder / "metrics.json").read_text())["validation"] == {"category": TASK}

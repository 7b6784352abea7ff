import json

import pytest
from support.run_folders import make_metrics, make_run

from polyhead.errors import UserError
from polyhead.runs.folder import RunFolder
from polyhead.runs.record import flat, read, read_all
from polyhead.storage.digests import LISTING


def test_record_has_the_scores_of_each_test_set_with_their_means(tmp_path):
    record = read(make_run(tmp_path, extra={"news": ("sentiment",), "letters": ("category", "sentiment")}))
    scores, metrics = record.scores("accuracy"), record.metrics
    assert {name: list(tasks) for name, tasks in scores.items()} == {
        "test": ["category", "sentiment", "mean"],
        "news": ["sentiment", "mean"],
        "letters": ["category", "sentiment", "mean"],
    }
    assert scores["news"]["mean"] == metrics.extra_test_sets["news"]["sentiment"]["accuracy"]
    both = [metrics.test[task]["accuracy"] for task in ("category", "sentiment")]
    assert scores["test"]["mean"] == pytest.approx(sum(both) / 2)
    assert record.validation_score("accuracy") == pytest.approx(sum(both) / 2)


def test_record_has_the_costs_that_were_measured(tmp_path):
    record = read(make_run(tmp_path, seconds=7.0))
    costs = {"seconds": 7, "sentences_per_second": 100, "trainable_parameters": 1000, "peak_megabytes": 900}
    assert record.costs() == costs
    make_metrics(record.metrics.test, sentences_per_second=None, peak_megabytes={"process": 1, "gpu": 2}).write(
        RunFolder(tmp_path)
    )
    assert read(tmp_path).costs() == {
        "seconds": 10,
        "trainable_parameters": 1000,
        "peak_megabytes": 1,
        "gpu_megabytes": 2,
    }


def test_record_refuses_to_average_over_a_task_named_like_the_average(tmp_path):
    results = read(make_run(tmp_path)).metrics.test
    make_metrics({"mean": results["category"]}).write(RunFolder(tmp_path))
    with pytest.raises(UserError, match="calls the mean over the tasks 'mean'; give the task another name"):
        read(tmp_path).scores("accuracy")


def test_record_of_a_run_without_a_test_is_untested(tmp_path):
    results = read(make_run(tmp_path)).metrics.test
    make_metrics(results, test={}).write(RunFolder(tmp_path))
    assert read(tmp_path).status == "untested"
    assert read(tmp_path).metrics.validation == results


def test_record_of_an_unfinished_or_failed_run_has_no_metrics(tmp_path):
    folder = make_run(tmp_path / "run")
    (folder / "metrics.json").unlink()
    with pytest.raises(UserError, match="run' has no metrics; it is unfinished$"):
        _ = read(folder).metrics
    (folder / "train.log").write_text("[now][x][ERROR] this run failed: no GPU\n")
    with pytest.raises(UserError, match="run' has no metrics; it is failed: no GPU$"):
        _ = read(folder).metrics


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("metrics.json", "{", "cannot be read"),
        ("metrics.json", '{"format": 3}', "has format 3"),
        ("provenance.json", "{", "cannot be read"),
        ("metrics.json", json.dumps(vars(make_metrics({}))), "nothing was measured on validation"),
    ],
)
def test_record_of_a_run_with_a_file_that_cannot_be_used_is_a_failure(tmp_path, name, content, message):
    folder = make_run(tmp_path / "run")
    (folder / name).write_text(content)
    (folder / LISTING).unlink()  # or it would be damaged
    assert read(folder).status == "failed"
    assert message in read(folder).message
    assert read(folder).found_metrics is None


@pytest.mark.parametrize("content", ["a: [", "- 1", "\x00"])
def test_record_of_a_run_with_a_damaged_configuration_has_an_empty_one(tmp_path, content):
    folder = make_run(tmp_path / "run")
    (folder / "config.yaml").write_text(content)
    assert read(folder).config == {}


def test_record_of_a_run_with_damaged_predictions_has_none(tmp_path):
    folder = make_run(tmp_path / "run")
    assert read(folder).predictions.labels.keys() == {"test"}
    (folder / "predictions.npz").write_bytes(b"nothing")
    assert read(folder).predictions.labels == {}


def test_read_all_leaves_out_jobs_that_found_their_run_done(tmp_path):
    make_run(tmp_path / "0")
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "train.log").write_text("[now][x][INFO] done already: 0\n")
    assert [record.folder.name for record in read_all([tmp_path])] == ["0"]


def test_record_has_the_configuration_under_the_names_of_today(tmp_path):
    folder = make_run(tmp_path / "run")
    (folder / "config.yaml").write_text("features: {folder: a}\nfreeze: {_target_: polyhead.freezing.Freezing}\n")
    config = {"activation_cache.folder": "a", "freeze._target_": "polyhead.freezing.FreezeSpec"}
    assert read(folder).config == config


def test_flat_joins_nested_keys_by_dots():
    assert flat({"a": {"b": 1, "c": {}}, "d": [1]}) == {"a.b": 1, "a.c": {}, "d": [1]}

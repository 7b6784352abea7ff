from types import SimpleNamespace

from support.bundles import make_bundle
from support.kinds import TASKS
from support.servers import LIMITS, TASK, FakePredictor

from polyhead.deployment.bundle.folder import Bundle
from polyhead.deployment.server.about import about


def stored(count):
    return SimpleNamespace(sentences=[f"stored {index}" for index in range(count)])


def test_about_names_model_tasks_and_limits(tmp_path):
    found = about(FakePredictor(tmp_path), LIMITS, "reviews", None, None)
    assert (found.name, found.version, found.sentences) == ("reviews", "0", 0)
    assert [(task.name, task.kind, task.labels, task.calibrated) for task in found.tasks] == [
        (TASK.name, "single_label", list(TASK.labels), True)
    ]
    assert found.limits == {**vars(LIMITS), "tokens": 16, "windows": 1}


def test_about_says_which_tasks_take_a_coverage(tmp_path):
    found = about(FakePredictor(tmp_path, tasks=TASKS), LIMITS, "reviews", None, None)
    assert {task.name for task in found.tasks if task.calibrated} == {"tone"}
    assert {task.kind for task in found.tasks if not task.calibrated} == {"number", "multi_label", "ordinal"}


def test_about_takes_examples_from_all_over_the_stored_sentences(tmp_path):
    for count in (1, 2, 3, 4, 99):
        kept = stored(count)
        found = about(FakePredictor(tmp_path), LIMITS, "m", kept, None)
        assert 0 < len(found.examples) <= 3
        assert set(found.examples) <= set(kept.sentences)
        assert found.sentences == count


def test_about_takes_the_examples_that_are_given_none_included(tmp_path):
    assert about(FakePredictor(tmp_path), LIMITS, "m", stored(9), ["mine"]).examples == ["mine"]
    assert about(FakePredictor(tmp_path), LIMITS, "m", stored(9), []).examples == []
    assert about(FakePredictor(tmp_path), LIMITS, "m", None, None).examples


def test_bundle_version_changes_with_any_file_of_it(tmp_path, model, tasks):
    one, same = (Bundle.open(make_bundle(tmp_path / name, model, tasks)) for name in ("one", "same"))
    other = Bundle.open(make_bundle(tmp_path / "other", model, tasks, category=2.0))
    assert one.version == same.version != other.version
    assert one.name == "one"

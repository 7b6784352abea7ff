import json
import math

import pytest
from support.run_folders import make_metrics, make_predictions, make_run, results_of_tasks

from polyhead.errors import UserError
from polyhead.runs.metrics_check import check_metrics
from polyhead.runs.record import read

RESULTS = results_of_tasks(*make_predictions(0, 0.2, rows=40))


def spoilt(**changes):
    return {"category": RESULTS["category"] | changes}


def test_metrics_of_a_run_pass():
    check_metrics(make_metrics(RESULTS))
    check_metrics(make_metrics(RESULTS, test={}, sentences_per_second=None))


@pytest.mark.parametrize(
    "changes",
    [
        {"test": 5},
        {"test": [1]},
        {"test": {"category": "x"}},
        {"test": {"category": {}}},
        {"test": spoilt(macro_f1="high")},
        {"test": spoilt(macro_f1=math.nan)},
        {"test": spoilt(accuracy=1.5)},
        {"test": spoilt(accuracy=True)},
        {"test": spoilt(confusion=[[1]])},
        {"test": spoilt(confusion="x")},
        {"test": spoilt(confusion=[["a"] * 3] * 3)},
        {"test": spoilt(f1=[1, 2, 3])},
        {"validation": spoilt(macro_f1=None)},
        {"extra_test_sets": {"news": {"category": {}}}},
        {"extra_test_sets": []},
        {"seconds": {}},
        {"seconds": {"total": math.inf}},
        {"seconds": {"total": -1}},
        {"parameters": []},
        {"peak_megabytes": None},
        {"conflict": {"a-b": "x"}},
        {"activation_cache": "x"},
        {"health": {"agreement": math.nan}},
        {"device": 5},
    ],
    ids=json.dumps,
)
def test_damaged_metrics_are_refused_by_the_name_of_the_field(changes):
    (name,) = changes
    with pytest.raises(UserError, match=f"^metrics.json is damaged: {name} cannot be"):
        check_metrics(make_metrics(RESULTS, **changes))


def test_run_with_damaged_metrics_counts_as_failed(tmp_path):
    folder = make_run(tmp_path / "run")
    content = json.loads((folder / "metrics.json").read_text())
    (folder / "metrics.json").write_text(json.dumps(content | {"seconds": {"total": -1.0, "training": 1.0}}))
    (folder / "SHA256SUMS").unlink()
    record = read(folder)
    assert (record.status, record.message.partition(":")[0]) == ("failed", "metrics.json is damaged")

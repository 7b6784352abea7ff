import numpy as np
import pytest
from support.run_folders import make_predictions

from polyhead.errors import UserError
from polyhead.runs.folder import RunFolder
from polyhead.runs.predictions import Predictions


@pytest.fixture
def run(tmp_path):
    return RunFolder(tmp_path)


def test_predictions_are_read_as_they_were_written(run):
    labels, predicted = make_predictions(0, 0.2, tasks=("category",))
    Predictions({"test": labels, "b-c": labels}, {"test": predicted, "b-c": predicted}).write(run)
    read = Predictions.read(run)
    for name in ("test", "b-c"):
        for task in ("category", "sentiment"):
            np.testing.assert_array_equal(read.labels[name][task], labels[task])
            np.testing.assert_array_equal(read.predicted[name][task], predicted[task])
    assert {"test/category/label", "test/category/predicted"} < run.read_arrays("predictions.npz").keys()


@pytest.mark.parametrize(
    "name", ["label", "test/category", "test/category/probability", "a/b/c/label", "test/category/label"]
)
def test_predictions_with_other_arrays_are_refused(run, name):
    run.write_arrays("predictions.npz", {name: np.zeros(1)})
    with pytest.raises(UserError, match=f"holds '{name}'; is it a file of polyhead"):
        Predictions.read(run)

"""The scores of a bundle come back as they were written, and those of somebody else are checked."""

import json

import pytest
from support.bundles import made_up_scores

from polyhead.deployment.bundle.scores import SCORES, read_scores, write_scores
from polyhead.errors import UserError


def test_scores_of_a_bundle_come_back_as_they_were_written(tmp_path, tasks):
    assert read_scores(tmp_path, tasks) == {}
    write_scores(tmp_path, {})
    assert not (tmp_path / SCORES).exists()
    scores = made_up_scores(tasks)
    write_scores(tmp_path, scores)
    assert read_scores(tmp_path, tasks) == scores


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[1]",
        "NaN",
        '{"mood": {}}',
        '{"category": {}}',
        '{"category": null}',
        '{"category": {"rows": 1, "truth": [NaN], "confidence": [0.5], "answered": [1], "right": [1]}}',
        '{"category": {"rows": 1, "truth": [2], "confidence": [0.5], "answered": [1], "right": [1]}}',
        '{"category": {"rows": 1e9, "truth": [0.5], "confidence": [0.5], "answered": [1], "right": [1]}}',
        '{"category": {"rows": 1, "truth": [0.5], "confidence": [0.5], "answered": [1], "right": [2]}}',
        json.dumps({"category": {"rows": [[]] * 1000}}),
    ],
)
def test_scores_that_no_export_writes_are_refused_in_one_line(tmp_path, tasks, content):
    (tmp_path / SCORES).write_text(content)
    with pytest.raises(UserError, match=r"scores\.json' cannot be read \(.*\); export the bundle again") as caught:
        read_scores(tmp_path, tasks)
    assert len(str(caught.value).splitlines()) == 1

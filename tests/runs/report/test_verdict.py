import pytest
from support.run_folders import compared, make_run, make_sweep

from polyhead.runs.report.verdict import verdict


@pytest.mark.parametrize(
    ("errors", "sentence"),
    [
        ({"none": 0.10, "backbone": 0.101}, "no significant difference"),
        ({"none": 0.10, "backbone": 0.4}, "#2: significantly worse than #1."),
    ],
)
def test_verdict_sorts_conditions_by_their_difference_from_the_baseline(tmp_path, errors, sentence):
    lines = verdict(compared(make_sweep(tmp_path, **errors)))
    assert any(sentence in line for line in lines)


def test_verdict_says_what_is_better_than_the_baseline_and_cheaper(tmp_path):
    comparison = compared(make_sweep(tmp_path, none=0.1, backbone=0.4), baseline="freeze=backbone")
    lines = verdict(comparison)
    assert lines[1] == "#1: significantly better than #2."
    assert len(lines) == 2  # 600 seconds of the baseline are fewer than 900


def test_verdict_names_the_cheapest_that_is_as_good(tmp_path):
    for freeze, seconds in (("none", 30.0), ("backbone", 10.0)):
        for seed in range(3):
            make_run(tmp_path / f"{freeze}_{seed}", seed, 0.1, seconds, freeze)
    lines = verdict(compared(tmp_path, baseline="freeze=none"))
    assert lines[-1] == (
        "The cheapest that is at least as good as #2 is #1 (freeze=backbone): 10.0 seconds per run, 3.0 times as fast."
    )


@pytest.mark.slow
def test_verdict_speaks_of_each_extra_test_set(tmp_path):
    extra = {"news": ("sentiment",), "letters": ("category", "sentiment")}
    comparison = compared(make_sweep(tmp_path, extra=extra, none=0.1, backbone=0.4))
    lines = verdict(comparison)
    scores = comparison.rows[0].scores
    for name in ("test", *extra):
        assert f"{scores[name]['mean'].value:.3f} ± {scores[name]['mean'].margin:.3f} on {name}" in lines[0]
    assert "On news, #2: significantly worse than #1." in lines
    assert "On letters, #2: significantly worse than #1." in lines


def test_verdict_warns_of_conditions_with_a_single_run(tmp_path):
    make_run(tmp_path / "run")
    assert verdict(compared(tmp_path))[1].startswith("Some conditions have one run only")


def test_verdict_without_a_run_says_so(tmp_path):
    (make_run(tmp_path / "run") / "metrics.json").unlink()
    assert verdict(compared(tmp_path)) == ["No run is done yet."]

import re

import pytest
from support.run_folders import compared, make_run

from polyhead.runs.report.figures import color, trade_off


@pytest.mark.slow
def test_trade_off_joins_the_front_of_its_own_test_set(tmp_path):
    """On test the cheapest is also the best; on news a dearer one is better, so two are on the front."""
    made = {"none": (0.1, 0.4, 10.0), "backbone": (0.2, 0.1, 20.0), "lower": (0.3, 0.3, 30.0)}
    for freeze, (errors, extra_errors, seconds) in made.items():
        make_run(
            tmp_path / freeze, 0, errors, seconds, freeze, extra={"news": ("category",)}, extra_errors=extra_errors
        )
    comparison = compared(tmp_path)
    for test_set, count in (("test", 1), ("news", 2)):
        dashed = re.search(r'<path d="([^"]*)"[^>]*stroke-dasharray', trade_off(comparison, test_set, "seconds", "s"))
        assert len(re.findall("[ML]", dashed[1])) == count


@pytest.mark.slow
def test_color_tells_the_best_few_apart_and_is_gray_beyond(tmp_path):
    for number in range(10):
        make_run(tmp_path / str(number), seed=0, errors=number / 20, freeze=f"f{number}")
        config = tmp_path / str(number) / "config.yaml"
        config.write_text(config.read_text() + f"number: {number}\n")
    colors = [color(row) for row in compared(tmp_path).rows]
    assert len(set(colors)) == 9
    assert colors[8:] == ["#9a9a9a"] * 2

import pytest
from torch.utils.tensorboard import SummaryWriter

from polyhead.runs.report.curves import read_curves

CSV = "epoch,step,train/loss,validation/macro_f1\n0,5,1.5,\n0,9,,0.5\n1,19,,0.6\n"
CURVES = {"train/loss": [(5, 1.5)], "validation/macro_f1": [(9, 0.5), (19, 0.6)]}


def test_curves_are_read_from_a_csv(tmp_path):
    (tmp_path / "metrics.csv").write_text(CSV)
    assert read_curves(tmp_path) == CURVES


def test_curves_are_read_from_events_first(tmp_path):
    (tmp_path / "metrics.csv").write_text(CSV.replace("1.5", "9"))
    with SummaryWriter(tmp_path) as writer:
        for name, points in CURVES.items():
            for step, value in points:
                writer.add_scalar(name, value, step)
        writer.add_text("freezing plan", "no scalar")
    found = read_curves(tmp_path)
    assert found.keys() == CURVES.keys()
    for name, points in CURVES.items():
        assert [step for step, _ in found[name]] == [step for step, _ in points]
        assert [value for _, value in found[name]] == pytest.approx([value for _, value in points])


def test_curves_of_a_run_that_logged_none_are_empty(tmp_path):
    assert read_curves(tmp_path) == {}

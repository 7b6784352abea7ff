"""The error and the temperature are those of the references, and the temperature is kept with the weights."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from support.training import make_data, make_module, make_trainer
from torch.nn.functional import cross_entropy

from polyhead.tasks import MISSING, Task
from polyhead.training.calibration import BINS, Calibration, fit_temperature, reliability

TASK = Task("tone", ("a", "b", "c"))


def rows(count=2000, sharpness=3.0):
    """Labels drawn from the softmax of logits; the logits come back ``sharpness`` times too large."""
    true = torch.randn(count, 3, dtype=torch.float64)
    labels = torch.multinomial(true.softmax(1), 1).squeeze(1)
    return (sharpness * true).float(), labels


@pytest.mark.parametrize("count", [20, 2000])
@pytest.mark.parametrize("sharpness", [0.2, 1.0, 3.0, 10.0])
def test_temperature_is_the_minimum_of_the_loss_and_its_prior(sharpness, count):
    logits, labels = rows(count, sharpness)

    def posterior(temperature):
        loss = cross_entropy(logits.double() / temperature, labels, reduction="sum").item()
        return loss + (np.log(temperature) / np.log(2)) ** 2 / 2

    reference = minimize_scalar(posterior, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-9}).x
    assert fit_temperature(logits, labels) == pytest.approx(reference, rel=1e-4)


@pytest.mark.parametrize("sharpness", [0.2, 1.0, 3.0, 10.0])
def test_temperature_of_many_rows_is_that_of_the_loss_alone(sharpness):
    logits, labels = rows(5000, sharpness)
    loss = lambda t: cross_entropy(logits.double() / t, labels).item()  # noqa: E731
    reference = minimize_scalar(loss, bounds=(0.05, 20), method="bounded", options={"xatol": 1e-9}).x
    assert fit_temperature(logits, labels) == pytest.approx(reference, rel=0.01)
    assert fit_temperature(logits, labels) == pytest.approx(sharpness, rel=0.15)


def test_temperature_of_perfect_rows_falls_with_their_number_and_stays_bounded():
    logits = torch.tensor([[4.0, 0.0, 0.0], [0.0, 4.0, 0.0]])
    counts = [1, 5, 50, 500, 5000]
    fitted = [fit_temperature(logits.repeat(count, 1), torch.tensor([0, 1] * count)) for count in counts]
    assert fitted == sorted(fitted, reverse=True)
    assert 0.9 < fitted[0] < 1
    assert 0.5 < fitted[2] < 0.8
    assert 0.3 < fitted[-1] < 0.5


def test_temperature_is_a_number_where_the_loss_has_no_minimum():
    assert fit_temperature(torch.zeros(0, 3), torch.zeros(0, dtype=torch.int64)) == 1
    assert fit_temperature(torch.zeros(4, 3), torch.tensor([0, 1, 2, 0])) == 1
    wrong = fit_temperature(100 * torch.eye(3), torch.tensor([1, 2, 0]))
    assert 10 < wrong < 100
    extreme = torch.tensor([[1e6, 0.0], [0.0, 1e-6]])
    assert np.isfinite(fit_temperature(extreme, torch.tensor([1, 0])))


def test_ece_is_the_mean_gap_of_the_bins():
    logits, labels = rows()
    bins = reliability(logits.softmax(1), labels)
    assert sum(bins["rows"]) == 2000
    gaps = [n * abs(c - a) for n, c, a in zip(bins["rows"], bins["confidence"], bins["accuracy"], strict=True)]
    calibration = Calibration(TASK)
    calibration.update(logits, labels)
    assert calibration.compute()["ece"] == pytest.approx(sum(gaps) / 2000, abs=1e-5)


def test_reliability_by_hand():
    probabilities = torch.tensor([[0.9, 0.1], [0.8, 0.2], [0.35, 0.65], [1.0, 0.0]])
    bins = reliability(probabilities, torch.tensor([0, 1, 1, 0]))
    taken = {i: (rows, bins["accuracy"][i]) for i, rows in enumerate(bins["rows"]) if rows}
    assert taken == {13: (1, 1.0), 11: (1, 0.0), 9: (1, 1.0), 14: (1, 1.0)}
    assert len(bins["rows"]) == BINS
    assert bins["confidence"][13] == pytest.approx(0.9)


def test_temperature_mends_overconfidence_on_other_rows_too():
    calibration = Calibration(TASK)
    calibration.update(*rows())
    calibration.fit()
    calibration.reset()
    assert calibration.temperature.item() == pytest.approx(3, rel=0.15)  # a reset forgets rows and nothing else
    calibration.update(*rows())
    values = calibration.compute()
    assert values["ece"] > 0.15
    assert values["ece_scaled"] < 0.04


def test_calibration_leaves_rows_without_a_label_out():
    logits, labels = rows(400)
    half = labels.clone()
    half[::2] = MISSING
    one, other = Calibration(TASK), Calibration(TASK)
    one.update(logits, half)
    other.update(logits[1::2], labels[1::2])
    one.fit()
    other.fit()
    assert one.compute() == other.compute()
    nothing = Calibration(TASK)
    nothing.update(logits, torch.full((400,), MISSING))
    nothing.fit()
    assert nothing.temperature.item() == 1


@pytest.mark.slow
def test_temperature_is_fitted_on_validation_and_kept_with_the_weights(tmp_path, model, tasks):
    module, data = make_module(model, tasks), make_data(tasks, unlabelled={"sentiment": 2})
    make_trainer(tmp_path, max_epochs=3).fit(module, data)
    fitted = {name: value.item() for name, value in module.state_dict().items() if name.startswith("calibration.")}
    assert fitted.keys() == {"calibration.category.temperature", "calibration.sentiment.temperature"}
    assert 1.0 not in fitted.values()
    for task in tasks:
        assert module.results["validation"][task.name]["temperature"] == fitted[f"calibration.{task.name}.temperature"]
    make_trainer(tmp_path).test(module, data, verbose=False)
    for task in tasks:
        values = module.results["test"][task.name]
        assert values["temperature"] == fitted[f"calibration.{task.name}.temperature"]
        assert sum(values["reliability"]["before"]["rows"]) == sum(map(sum, values["confusion"]))
    with torch.no_grad():
        batch = next(iter(data.test_dataloader()))
        temperature = module.calibration["category"].temperature
        logits = module.model.eval()(batch)["category"]
        assert ((logits / temperature).argmax(1) == logits.argmax(1)).all()

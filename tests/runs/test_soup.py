from copy import deepcopy

import pytest
import torch
from support.run_folders import make_metrics, make_results
from torch import nn

from polyhead.errors import UserError
from polyhead.runs.folder import RunFolder
from polyhead.runs.soup import Soup


class Probe(nn.Module):
    """A weight that can be read, and a counter that must not be averaged."""

    def __init__(self, value):
        super().__init__()
        self.weight = nn.Parameter(torch.full((2, 3), float(value)))
        self.register_buffer("steps", torch.tensor(int(value)))


@pytest.fixture
def make_run(tmp_path):
    def make(value, model=None, score=None):
        folder = tmp_path / f"run{value}"
        (folder / "checkpoints").mkdir(parents=True)
        state = {f"model.{name}": weights for name, weights in (model or Probe(value)).state_dict().items()}
        torch.save({"state_dict": state | {"weighting.x": torch.ones(1)}}, folder / "checkpoints" / "best.ckpt")
        make_metrics({"task": make_results(macro_f1=score or value)}).write(RunFolder(folder))
        return str(folder)

    return make


def macro_f1(results):
    return results["task"]["macro_f1"]


def never():
    raise AssertionError("uniform needs no validation")


def test_uniform_soup_is_the_mean_of_all_weights_and_the_first_runs_counters(make_run):
    model, runs = Probe(0), [make_run(value) for value in (1, 2, 6)]
    assert Soup(runs, "uniform").fill(model, never, macro_f1) == runs
    torch.testing.assert_close(model.weight.data, torch.full((2, 3), 3.0))
    assert model.steps == 1


def test_soup_of_one_run_is_that_run(make_run, model):
    theirs = deepcopy(model)
    for parameter in theirs.parameters():
        nn.init.normal_(parameter)
    Soup([make_run(1, theirs)], "uniform").fill(model, never, macro_f1)
    assert all(torch.equal(value, theirs.state_dict()[name]) for name, value in model.state_dict().items())


def test_greedy_soup_goes_from_the_best_down_and_leaves_out_what_makes_it_worse(make_run):
    """The nearer to 4 the better: 5 is the best run, the average with 2 is better, and 1 or 9 make that worse."""
    model, tried = Probe(0), []

    def nearness():
        tried.append(model.weight[0, 0].item())
        return {"task": {"macro_f1": -abs(tried[-1] - 4)}}

    runs = {value: make_run(value, score=-abs(value - 4)) for value in (9, 2, 1, 5)}
    used = Soup([*runs.values()], "greedy").fill(model, nearness, macro_f1)
    assert used == [runs[5], runs[2]]
    assert tried == pytest.approx([5, 3.5, 8 / 3, 16 / 3])
    torch.testing.assert_close(model.weight.data, torch.full((2, 3), 3.5))


def test_greedy_soup_is_never_worse_on_validation_than_the_best_run(make_run):
    for seed in range(5):
        model, generator = Probe(0), torch.Generator().manual_seed(seed)
        target = torch.randn((2, 3), generator=generator)

        def results(probe, target=target):
            return {"task": {"macro_f1": -(probe.weight - target).square().sum().item()}}

        probes = [Probe(0) for _ in range(6)]
        for probe in probes:
            probe.weight.data = torch.randn((2, 3), generator=generator)
        scores = [macro_f1(results(probe)) for probe in probes]
        runs = [make_run(10 * seed + i, probe, scores[i]) for i, probe in enumerate(probes)]
        used = Soup(runs, "greedy").fill(model, lambda model=model: results(model), macro_f1)
        assert macro_f1(results(model)) >= max(scores)
        assert used[0] == runs[scores.index(max(scores))]
        mean = torch.stack([probes[runs.index(run)].weight.data for run in used]).mean(0)
        torch.testing.assert_close(model.weight.data, mean)


@pytest.mark.parametrize(
    ("runs", "recipe", "message"),
    [
        ([], "uniform", "^runs: none given"),
        (["a", "./a"], "uniform", "a run is named twice"),
        (["a"], "greddy", "^recipe: unknown 'greddy'; did you mean 'greedy'"),
    ],
)
def test_soup_refuses_runs_and_recipes_that_make_none(runs, recipe, message):
    with pytest.raises(UserError, match=message):
        Soup(runs, recipe)


def test_soup_refuses_other_weights_and_unfinished_runs(make_run, tmp_path, model):
    runs = [make_run(1), make_run(2, model)]
    with pytest.raises(UserError, match=r"run2.*not those of its configuration here \(the first that differs"):
        Soup(runs, "uniform").fill(Probe(0), never, macro_f1)
    with pytest.raises(UserError, match=r"best\.ckpt' cannot be read"):
        Soup([str(tmp_path / "none")], "uniform").fill(Probe(0), never, macro_f1)
    with pytest.raises(UserError, match="a finished run"):
        Soup([str(tmp_path / "none")], "greedy").fill(Probe(0), never, macro_f1)

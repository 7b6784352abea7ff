"""Soup: the best weights of several runs, averaged into one model. Knows nothing about data or trainers."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from torch import Tensor, nn

from polyhead.errors import ParameterError, did_you_mean
from polyhead.runs.contents import RunMetrics, SplitResults
from polyhead.runs.folder import RunFolder
from polyhead.training.checkpoints import best_weights

log = logging.getLogger(__name__)

Recipe = Literal["uniform", "greedy"]
Weights = dict[str, Tensor]
_RECIPES = get_args(Recipe)


@dataclass(frozen=True)
class Soup:
    """The average of the weights of runs with one encoder (model soups, Wortsman et al. 2022, arXiv 2203.05482).

    It often classifies like an ensemble of the runs, and costs as much as one of them.

    Args:
        runs: folders of finished runs with the same encoder and heads; all else may differ.
        recipe: ``uniform`` takes all of them; ``greedy`` goes from the best on validation downwards and leaves out
            each that would make the average worse there.

    Raises:
        ParameterError: no runs, one of them twice, or an unknown recipe.
    """

    runs: Sequence[str]
    recipe: Recipe = "uniform"

    def __post_init__(self) -> None:
        if self.recipe not in _RECIPES:
            raise ParameterError(f"recipe: unknown {self.recipe!r}; {did_you_mean(str(self.recipe), _RECIPES)}")
        if not self.runs:
            raise ParameterError("runs: none given; name the folders of finished runs")
        if len({Path(run).resolve() for run in self.runs}) < len(self.runs):
            raise ParameterError("runs: a run is named twice; name each once")

    def check(self) -> None:
        """Check that all runs are there, and done.

        Raises:
            UserError: one is not.
        """
        for run in self.runs:
            RunMetrics.read(RunFolder(Path(run)))

    def fill(
        self, model: nn.Module, validate: Callable[[], SplitResults], score: Callable[[SplitResults], float]
    ) -> list[str]:
        """Put the average into the model, and return the runs that are in it.

        Args:
            model: with the runs' encoder and heads.
            validate: evaluates the model as it is on validation; ``greedy`` calls it once for each run.
            score: of such results; higher is better.

        Raises:
            UserError: a run is not finished, or its weights are not those of such a model.
        """
        if self.recipe == "greedy":
            return self._fill_greedily(model, validate, score)
        average: Weights = {}
        for count, run in enumerate(self.runs):
            average = _add_to_average(average, best_weights(Path(run), model), count)
        model.load_state_dict(average)
        return [*self.runs]

    def _fill_greedily(
        self, model: nn.Module, validate: Callable[[], SplitResults], score: Callable[[SplitResults], float]
    ) -> list[str]:
        """Try the runs from the best on validation downwards, and keep each that does not make the average worse."""
        alone = {run: score(RunMetrics.read(RunFolder(Path(run))).validation) for run in self.runs}
        average: Weights = {}
        best = float("-inf")
        used: list[str] = []
        for run in sorted(self.runs, key=alone.__getitem__, reverse=True):
            candidate = _add_to_average(average, best_weights(Path(run), model), len(used))
            model.load_state_dict(candidate)
            reached = score(validate())
            worse = reached < best
            log.info("soup: %.4f with %s%s", reached, Path(run).name, ", left out" if worse else "")
            if not worse:
                average, best = candidate, reached
                used.append(run)
        model.load_state_dict(average)
        return used


def _add_to_average(average: Weights, weights: Weights, count: int) -> Weights:
    """Take one more set of weights into the average of ``count``; counters and the like stay those of the first."""
    if not count:
        return weights
    return {
        name: value + (weights[name] - value) / (count + 1) if value.is_floating_point() else value
        for name, value in average.items()
    }

"""Soup: the best weights of several runs, averaged into one model. Knows nothing about data or trainers."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from torch import Tensor, nn

from polyhead.training.checkpoints import best_weights
from polyhead.errors import UserError, did_you_mean
from polyhead.training.metrics import Results
from polyhead.runs.folder import RunFolder

log = logging.getLogger(__name__)

Recipe = Literal["uniform", "greedy"]
_RECIPES = get_args(Recipe)


@dataclass(frozen=True)
class Soup:
    """The average of what runs learned from one encoder (model soups, Wortsman et al. 2022, arXiv 2203.05482).

    It often classifies like an ensemble of the runs, and costs what one of them costs.

    Args:
        runs: folders of finished runs with the same encoder and heads; what else they were trained with may differ.
        recipe: ``uniform`` takes all of them; ``greedy`` goes from the best on validation downwards and leaves out
            each that would make the average worse there.

    Raises:
        UserError: no runs, or an unknown recipe.
    """

    runs: Sequence[str]
    recipe: Recipe

    def __post_init__(self) -> None:
        if self.recipe not in _RECIPES:
            raise UserError(f"soup.recipe: unknown {self.recipe!r}; {did_you_mean(str(self.recipe), _RECIPES)}")
        if not self.runs:
            raise UserError("soup.runs: none given; name the folders of finished runs")
        if len({Path(run).resolve() for run in self.runs}) < len(self.runs):
            raise UserError("soup.runs: a run is named twice; name each once")

    def fill(self, model: nn.Module, validate: Callable[[], Results], score: Callable[[Results], float]) -> list[str]:
        """Put the average into the model, and return the runs that are in it.

        Args:
            model: with the runs' encoder and heads.
            validate: evaluates the model as it is on validation; ``greedy`` does that once a run.
            score: of such results; higher is better.

        Raises:
            UserError: a run is not finished, or its weights are not those of such a model.
        """
        greedy = self.recipe == "greedy"
        runs = [*self.runs]
        if greedy:
            runs.sort(key=lambda run: score(RunFolder(Path(run)).read_json("metrics.json")["validation"]), reverse=True)
        average: dict[str, Tensor] = {}
        best, used = float("-inf"), list[str]()
        for run in runs:
            candidate = _averaged(average, best_weights(Path(run), model), len(used))
            model.load_state_dict(candidate)
            if greedy:
                reached = score(validate())
                worse = reached < best
                log.info("soup: %.4f with %s%s", reached, Path(run).name, ", left out" if worse else "")
                if worse:
                    continue
                best = reached
            average, used = candidate, [*used, run]
        model.load_state_dict(average)
        return used


def _averaged(average: dict[str, Tensor], weights: dict[str, Tensor], count: int) -> dict[str, Tensor]:
    """Take one more set of weights into the average of ``count``; counters and the like stay the first's."""
    if not count:
        return weights
    return {
        name: value + (weights[name] - value) / (count + 1) if value.is_floating_point() else value
        for name, value in average.items()
    }

"""Soup start: the weights of a run that begins as the average of other runs."""

import logging
from typing import cast

import lightning as L
from omegaconf import DictConfig

from polyhead.app.training.run_data import data_digests
from polyhead.app.training.soup_check import check
from polyhead.data.datamodule import SentenceData
from polyhead.errors import UserError
from polyhead.runs.contents import SplitResults
from polyhead.runs.soup import Soup
from polyhead.training.metrics import scalars
from polyhead.training.module import MultiTaskTraining

log = logging.getLogger(__name__)


def start_from_average(
    soup: Soup, module: MultiTaskTraining, data: SentenceData, trainer: L.Trainer, config: DictConfig
) -> list[str]:
    """Give a model the average of other runs, and return the runs that are in it.

    Args:
        soup: which runs, and how they are chosen.
        module: with the model.
        data: without stored activations, since the encoder changes.
        trainer: evaluates averages on validation.
        config: of the run that starts here.

    Raises:
        UserError: the runs do not fit, or have seen sentences that are evaluated here, or nothing chooses among them.
    """
    if soup.recipe == "greedy" and not data.source.has("validation"):
        raise UserError("soup: greedy chooses by validation, and there is none; take soup=uniform")
    for split in ("validation", *(data.source.test_sets if config.test else ())):
        if data.source.has(split):
            data.split(split)
    check(soup.runs, config, data_digests(data))
    monitor = config.monitor

    def validate() -> SplitResults:
        trainer.validate(module, data, verbose=False)
        return cast(SplitResults, module.results["validation"])

    def score(results: SplitResults) -> float:
        value = scalars("validation", results)[monitor.metric]
        return value if monitor.mode == "max" else -value

    used = soup.fill(module.model, validate, score)
    module.results.clear()  # of whatever was tried last
    log.info("soup: the average of %d of %d runs", len(used), len(soup.runs))
    return used

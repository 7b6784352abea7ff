"""Training plan: which parts of a model a run trains, from when and at which rates, counted and laid out."""

import logging
from dataclasses import dataclass
from typing import Self

from polyhead.app.training.taken_heads import TakenHeads
from polyhead.freezing.plans import count_parameters, count_trained
from polyhead.runs.contents import ParameterCounts
from polyhead.training.module import MultiTaskTraining
from polyhead.training.plan_table import PlanTable, plan_table

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingPlan:
    """What is trained.

    Args:
        table: of the parts and stages.
        parameters: how many are trained, and all.
    """

    table: PlanTable
    parameters: ParameterCounts

    @classmethod
    def of(cls, module: MultiTaskTraining, max_epochs: int | None, solved: bool, taken: TakenHeads) -> Self:
        """Describe how a module is trained.

        Args:
            module: with its stages.
            max_epochs: of the training; None or -1 has no end.
            solved: whether heads that the plan trains are solved before its first step.
            taken: the heads that are not, since they come from elsewhere.
        """
        table = plan_table(module.model, module.stages, module.optimization, max_epochs, solved, taken.added)
        trainable, total = count_trained(module.model, module.stages)
        if solved:
            heads = [module.model.heads[name] for name in taken.unchanged(module)]
            trainable -= sum(count_parameters(head)[0] for head in heads)
        return cls(table, ParameterCounts(trainable=trainable, total=total))

    def log(self) -> None:
        """Log the numbers of parameters, and the table if anything is trained."""
        trainable, total = self.parameters["trainable"], self.parameters["total"]
        log.info("trainable %s of %s (%.2f %%)", f"{trainable:,}", f"{total:,}", 100 * trainable / total)
        if trainable:
            log.info(self.table.text())

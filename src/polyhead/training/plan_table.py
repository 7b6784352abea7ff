"""Timetable: the plan of freezing as a table, for the terminal, the log and TensorBoard. Knows nothing about files."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table

from polyhead.freezing.plans import Stage
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.parts import layer_groups
from polyhead.training.optimizer import Optimization


@dataclass(frozen=True)
class PlanTable:
    """Which unit of the model is frozen or trained in each stage, and at which peak learning rate.

    Args:
        titles: of the columns: the unit, its parameters, and one for each stage.
        rows: one for each unit.
    """

    titles: list[str]
    rows: list[list[str]]

    def text(self) -> str:
        """Draw the table for a terminal."""
        table = Table(*self.titles, title="freezing plan: peak learning rates")
        for row in self.rows:
            table.add_row(*row)
        console = Console()
        with console.capture() as captured:
            console.print(table)
        return captured.get().rstrip()

    def markdown(self) -> str:
        """Write the table in Markdown."""
        lines = [self.titles, ["---"] * len(self.titles), *self.rows]
        return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def plan_table(
    model: MultiTaskModel, stages: Sequence[Stage], optimization: Optimization, max_epochs: int | None
) -> PlanTable:
    """Lay out a plan.

    Args:
        model: with its adapters, if the plan has any.
        stages: of the plan.
        optimization: gives the rates.
        max_epochs: of the training, which tells the stages that it does not reach; None or -1 has no end.
    """
    titles = ["part", "parameters"]
    for index, stage in enumerate(stages):
        last = stages[index + 1].epoch - 1 if index + 1 < len(stages) else None
        title = f"epochs {stage.epoch} to {last}" if last not in (None, stage.epoch) else f"epoch {stage.epoch}"
        title += "" if last is not None else " on"
        reached = max_epochs in (None, -1) or stage.epoch < (max_epochs or 0)
        titles.append(title if reached else f"{title}: not reached")
    frozen = [stage.freezing.frozen_parameters(model) for stage in stages]
    rows = []
    for name, modules in layer_groups(model).items():
        sizes = {id(parameter): parameter.numel() for module in modules for parameter in module.parameters()}
        trained = [sum(size for key, size in sizes.items() if key not in ids) for ids in frozen]
        peak_lr = optimization.peak_lr(model, name)
        cells = [
            _cell(peak_lr * stage.lr_scale, count, sum(sizes.values()), index > 0 and count > trained[index - 1])
            for index, (stage, count) in enumerate(zip(stages, trained, strict=True))
        ]
        rows.append([name, f"{sum(sizes.values()):,}", *cells])
    return PlanTable(titles, rows)


def _cell(rate: float, trained: int, parameters: int, thawed: bool) -> str:
    if not trained:
        return "frozen"
    part = "" if trained == parameters else f" ({trained:,} of them)"
    return f"{'thawed, ' if thawed else ''}{rate:.2g}{part}"

"""The freeze plan as a table, for the terminal, the log and loggers. Knows nothing about files."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from rich.console import Console
from rich.table import Table
from torch import nn

from polyhead.freezing.plans import Stage
from polyhead.freezing.probe_stage import takes_steps
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.parts import layer_groups
from polyhead.training.optimizer import Optimization


@dataclass(frozen=True)
class PlanTable:
    """Which layer group of the model is frozen or trained in each stage, and at which peak learning rate.

    Args:
        titles: of the columns: the layer group, its parameters, and one for each stage.
        rows: one for each layer group.
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


def plan_table(
    model: MultiTaskModel,
    stages: Sequence[Stage],
    optimization: Optimization,
    max_epochs: int | None,
    solved: bool = False,
    taken: Mapping[str, Sequence[int]] | None = None,
) -> PlanTable:
    """Lay out a freeze plan.

    Args:
        model: with its adapters, if the plan has any.
        stages: of the plan.
        optimization: gives the peak rates.
        max_epochs: of the training; stages that it does not reach are marked. None or -1 has no end.
        solved: whether heads that the plan trains are solved before its first step.
        taken: by task, the added classes of heads that are not, since they come from elsewhere.
    """
    steps = takes_steps(model, stages, solved)
    titles = [_stage_title(stages, index, max_epochs) for index in range(len(stages))]
    frozen = [stage.freezing.frozen_parameters(model) for stage in stages]
    rows = []
    for name, modules in layer_groups(model).items():
        sizes = _sizes(modules)
        total = sum(sizes.values())
        peak_lr = optimization.peak_lr(model, name)
        cells = []
        before: int | None = None
        for stage, frozen_ids in zip(stages, frozen, strict=True):
            trained = sum(size for key, size in sizes.items() if key not in frozen_ids)
            cells.append(_cell(peak_lr * stage.lr_scale, trained, total, before))
            before = trained
        if solved and name.startswith("heads.") and cells[0] != "frozen":
            origin = _origin(name.removeprefix("heads."), taken or {}, steps)
            cells[0] = f"{origin}, then {cells[0]}" if steps else origin
        rows.append([name, f"{total:,}", *cells])
    return PlanTable(["part", "parameters", *titles], rows)


def _origin(task: str, taken: Mapping[str, Sequence[int]], steps: bool) -> str:
    """Say where a head comes from that would be solved."""
    if task not in taken:
        return "solved"
    if taken[task]:
        return "from start, new classes solved"
    return "from start" if steps else "as in start"


def _stage_title(stages: Sequence[Stage], index: int, max_epochs: int | None) -> str:
    first = stages[index].epoch
    if index + 1 == len(stages):
        title = f"epoch {first} on"
    else:
        last = stages[index + 1].epoch - 1
        title = f"epoch {first}" if first == last else f"epochs {first} to {last}"
    reached = max_epochs is None or max_epochs == -1 or first < max_epochs
    return title if reached else f"{title}: not reached"


def _sizes(modules: Sequence[nn.Module]) -> dict[int, int]:
    """Return the number of elements of each parameter, by its identity."""
    return {id(parameter): parameter.numel() for module in modules for parameter in module.parameters()}


def _cell(rate: float, trained: int, total: int, before: int | None) -> str:
    """Write the cell of a layer group in a stage.

    Args:
        rate: peak learning rate.
        trained: elements that are trained in this stage.
        total: elements of the layer group.
        before: elements that were trained in the stage before; None in the first.
    """
    if not trained:
        return "frozen"
    text = f"{rate:.2g}"
    if before is not None and trained > before:
        text = f"thawed, {text}"
    if trained < total:
        text = f"{text} ({trained:,} of them)"
    return text

"""Loggers: pictures and tables for each logger of a run that can hold them. Knows nothing about what they show."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

import lightning as L
from lightning.pytorch.loggers import Logger, MLFlowLogger, TensorBoardLogger, WandbLogger

from polyhead.errors import UserError, one_line
from polyhead.storage.markdown import markdown_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Kind = TypeVar("Kind", bound=Logger)


def loggers_of(trainer: L.Trainer, kind: type[Kind]) -> list[Kind]:
    """Return the loggers of a kind that this process writes with: none in all but the first process."""
    if not trainer.is_global_zero:
        return []
    return [logger for logger in trainer.loggers if isinstance(logger, kind)]


def open_loggers(trainer: L.Trainer) -> None:
    """Open the loggers that may ask for an account or a server, before there is anything to lose.

    Raises:
        UserError: one of them does not open.
    """
    for wandb in loggers_of(trainer, WandbLogger):
        with _opening(wandb):
            _ = wandb.experiment
    for mlflow in loggers_of(trainer, MLFlowLogger):
        with _opening(mlflow):
            _ = mlflow.run_id


@contextmanager
def _opening(logger: Logger) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # of the network, the account, the server's answer, the file: no common class
        reason = f"{type(logger).__name__} does not open ({one_line(error)})"
        raise UserError(f"logger: {reason}; mend that, or choose another") from error


def close_loggers(trainer: L.Trainer) -> None:
    """End the runs that loggers keep for a whole process, so that the next run of a sweep has its own."""
    for logger in loggers_of(trainer, WandbLogger):
        logger.experiment.finish()


def takes_figures(trainer: L.Trainer) -> bool:
    """Return whether this process has a logger for pictures, so that they need to be drawn."""
    return any(loggers_of(trainer, kind) for kind in (TensorBoardLogger, WandbLogger, MLFlowLogger))


def log_figure(trainer: L.Trainer, name: str, figure: "Figure") -> None:
    """Show a picture of this step: on TensorBoard, Weights & Biases and MLflow."""
    step = trainer.global_step
    for board in loggers_of(trainer, TensorBoardLogger):
        board.experiment.add_figure(name, figure, step)
    for wandb in loggers_of(trainer, WandbLogger):
        import matplotlib.pyplot  # noqa: F401  # wandb compares the picture with it, and does not import it

        wandb.log_image(name, [figure])
    for mlflow in loggers_of(trainer, MLFlowLogger):
        mlflow.experiment.log_figure(mlflow.run_id, figure, f"{name}/{step:08d}.png")


def log_table(trainer: L.Trainer, name: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Show a table: on TensorBoard among the texts, on Weights & Biases, and in MLflow."""
    for board in loggers_of(trainer, TensorBoardLogger):
        board.experiment.add_text(name, markdown_table(columns, rows), trainer.global_step)
    for wandb in loggers_of(trainer, WandbLogger):
        wandb.log_table(name, columns=list(columns), data=[list(row) for row in rows])
    for mlflow in loggers_of(trainer, MLFlowLogger):
        table = {column: [row[index] for row in rows] for index, column in enumerate(columns)}
        mlflow.experiment.log_table(mlflow.run_id, table, f"{name}.json")


def log_summary(trainer: L.Trainer, metrics: Mapping[str, float]) -> None:
    """Give final metrics to the loggers that list runs by them, TensorBoard aside."""
    for wandb in loggers_of(trainer, WandbLogger):
        wandb.experiment.summary.update(dict(metrics))
    for mlflow in loggers_of(trainer, MLFlowLogger):
        mlflow.log_metrics(dict(metrics), trainer.global_step)

"""Head start: the heads of a run solved over the embeddings of its encoder, before anything is trained by steps."""

import logging

import lightning as L

from polyhead.app.training.components import RunComponents
from polyhead.app.training.pair_features import embed_rows, read_pairs
from polyhead.app.training.taken_heads import TakenHeads
from polyhead.data.datamodule import SentenceData
from polyhead.freezing.frozen_activations import FrozenActivations
from polyhead.tasks import of_one_text, of_pairs
from polyhead.training.loggers import log_table
from polyhead.training.module import MultiTaskTraining
from polyhead.training.penalty_trial import LabeledEmbeddings
from polyhead.training.solved_heads import SolvedHead
from polyhead.training.start_rows import choose_rows

log = logging.getLogger(__name__)


def solve_heads(
    parts: RunComponents,
    module: MultiTaskTraining,
    data: SentenceData,
    trainer: L.Trainer,
    taken: TakenHeads,
    again: bool = False,
) -> None:
    """Set the heads that are trained to the minimum of their loss, and log a line for each.

    Heads that are trained further start from some of the rows: what steps will change need not cost a pass over
    millions of sentences.

    Args:
        parts: of the run; its ``heads`` say how.
        module: with its encoder as it starts.
        data: the sentences.
        trainer: on whose device embeddings are computed; its loggers get a table.
        taken: heads that are not solved at the start, but for classes that they have had added.
        again: at the end, over an encoder that has seen the training rows; all heads that are trained.
    """
    assert parts.heads is not None
    limit = parts.heads.rows if module.takes_steps and not again else None
    # One for both splits: it reads the whole encoder to name what it keeps.
    device = trainer.strategy.root_device
    frozen = FrozenActivations(module.model.encoder, None, parts.precision, parts.activation_cache, device)
    has_validation = data.source.has("validation")
    stay = TakenHeads() if again else taken  # none stays as it was for another encoder
    new = stay.new(parts.tasks)
    begins = module.takes_steps and not again
    options = (module.seed, again, begins)
    found: list[SolvedHead] = []
    if of_one_text(new) or stay.added:
        train = _read(frozen, data, "train", limit)
        validation = _read(frozen, data, "validation", limit) if has_validation else None
        found += parts.heads.solve(module.model, of_one_text(new), module.loss, train, validation, *options)
        parts.heads.solve_added(module.model, parts.tasks, stay.added, module.loss, train)
    for task in of_pairs(new):  # over features of their own, of the rows that have both texts
        pairs = read_pairs(frozen, data, "train", task, limit)
        judges = read_pairs(frozen, data, "validation", task, limit) if has_validation else None
        found += parts.heads.solve(module.model, [task], module.loss, pairs, judges, *options)
    for head in found:
        log.info("%s", _line(head, again))
    titles = ["head", "rows", "penalty", "temperature", "loss held out"]
    log_table(trainer, "solved heads", titles, [_row(head) for head in found])


def _read(frozen: FrozenActivations, data: SentenceData, name: str, limit: int | None) -> LabeledEmbeddings:
    """Return the embeddings and labels of a split, or of about ``limit`` rows of it; those of folds are stored once."""
    split = data.split(name)
    rows = None if limit is None else choose_rows(split.labels, limit, split.weights)
    embeddings = embed_rows(frozen, data, name, rows)
    if rows is None:
        return LabeledEmbeddings(embeddings, split.labels, split.weights)
    labels = {task: column[rows] for task, column in split.labels.items()}
    return LabeledEmbeddings(embeddings, labels, None if split.weights is None else split.weights[rows])


def _line(head: SolvedHead, again: bool) -> str:
    found = f"head of {head.task}: solved{' again' * again} over {head.rows:,} rows, penalty {head.penalty:.3g}"
    if head.loss is None:
        return found
    return f"{found}, temperature {head.temperature:.2f}: the least loss on rows held out, {head.loss:.4f}"


def _row(head: SolvedHead) -> list[str]:
    loss = "" if head.loss is None else f"{head.loss:.4f}"
    return [head.task, f"{head.rows:,}", f"{head.penalty:.3g}", f"{head.temperature:.3f}", loss]

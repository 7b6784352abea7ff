"""The one place that knows what each head predicts: its name, its class names, and its kind.
A kind is a file that answers all that depends on it; the questions are the methods of :class:`Kind`: how a cell of the
data is read and checked, its target and what stands for a missing one, the width of the head, the loss, the metrics and
the headline score (higher is better), what is fitted on validation, how logits become answers, what a configuration and
a manifest keep of it, and what a report shows. Knows nothing about models; torch is imported where it computes.
Three kinds are about two texts. ``data.pair`` names the column of the second for all of them, as ``data.text`` does
that of the first: one key, since a row is a pair or is not, whatever its tasks (and a list under ``data.text``
joins columns already). A row without a second text is a single sentence, so sources of both sorts mix, and tasks about
one text read the first. Labels stand in a column for each task, as ever. Such a kind says by :meth:`Kind.features` what
its head is given.
"""

from polyhead.tasks.definitions import ClassNames, FindLabels, make_kind, make_tasks
from polyhead.tasks.kind import Kind
from polyhead.tasks.kinds import KINDS, headline, kind_entry, kind_of, of_one_text, of_pairs, overall
from polyhead.tasks.per_task import PerTask, per_task_problems, value_for
from polyhead.tasks.single_label import SingleLabel
from polyhead.tasks.targets import MISSING, answer_cell, is_labelled, label_text, list_text, split_labels
from polyhead.tasks.task import Task

__all__ = [
    "KINDS",
    "MISSING",
    "ClassNames",
    "FindLabels",
    "Kind",
    "PerTask",
    "SingleLabel",
    "Task",
    "answer_cell",
    "headline",
    "is_labelled",
    "kind_entry",
    "kind_of",
    "label_text",
    "list_text",
    "make_kind",
    "make_tasks",
    "of_one_text",
    "of_pairs",
    "overall",
    "per_task_problems",
    "split_labels",
    "value_for",
]

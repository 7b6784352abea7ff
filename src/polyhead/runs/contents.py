"""Contents: the fields of ``metrics.json`` and ``provenance.json``, which each run writes.

All code that writes or reads these files does so by the classes here. Knows nothing about training.
Shapes: C classes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, NotRequired, Self, TypedDict

from polyhead.errors import UserError, did_you_mean
from polyhead.runs.folder import RunFolder
from polyhead.runs.formats import read_fields, write_fields
from polyhead.runs.kept_head import KeptHead, check_kept_head, check_temperature
from polyhead.tasks import KINDS, SingleLabel


class TaskResults(TypedDict):
    """How well a task was solved on a set of sentences; those without a label for the task do not count.

    Attributes:
        accuracy: share of sentences, from 0 to 1.
        macro_f1: mean over the classes that occur in labels or predictions; precision and recall, too.
        f1: by class, in the task's order of classes.
        confusion: sentences (C, C) by true class (rows) and predicted class (columns).
        loss: mean cross-entropy, in nats.
        ece: expected calibration error, from 0 to 1.
        ece_scaled: the same with the logits divided by the temperature.
        temperature: fitted on validation.
        reliability: ``before`` and ``after`` the temperature, for each bin of confidence the number of sentences
            (``rows``), their mean ``confidence`` and their ``accuracy``.
        scores: of validation, see :mod:`polyhead.training.validation_scores`; runs of 0.1.0 have none.
        kind: of the task; absent for single labels. Each kind has metrics of its own, ``measures`` of the files in
            :mod:`polyhead.tasks`; ``loss`` is the mean of its own loss.
        thresholds: how probable a label must be to be given, by label, fitted on validation.
    """

    loss: float
    accuracy: NotRequired[float]
    macro_f1: NotRequired[float]
    macro_precision: NotRequired[float]
    macro_recall: NotRequired[float]
    f1: NotRequired[dict[str, float]]
    confusion: NotRequired[list[list[int]]]
    ece: NotRequired[float]
    ece_scaled: NotRequired[float]
    temperature: NotRequired[float]
    reliability: NotRequired[dict[str, dict[str, list[float]]]]
    scores: NotRequired[Any]
    kind: NotRequired[str]
    thresholds: NotRequired[list[float]]
    micro_f1: NotRequired[float]
    average_precision: NotRequired[float]
    mae: NotRequired[float]
    pearson: NotRequired[float]
    spearman: NotRequired[float]
    kappa: NotRequired[float]


SplitResults = Mapping[str, TaskResults]
"""Results by task; a task without a labelled sentence in the split is absent."""


class Monitor(TypedDict):
    """The metric by which the best weights were chosen: ``max`` or ``min`` of it; None if it was not measured."""

    metric: str
    mode: str
    value: float | None


class ParameterCounts(TypedDict):
    """Numbers of parameters; ``trainable`` counts those that any stage of the plan trains."""

    trainable: int
    total: int


class Seconds(TypedDict):
    """Wall-clock seconds of the whole run, and of its training steps alone."""

    total: float
    training: float


class PairConflict(TypedDict):
    """How the gradients of two tasks at the shared embedding agreed: means over ``steps`` training steps."""

    steps: int
    cosine: float
    magnitude_similarity: float
    conflicting_share: float


@dataclass(frozen=True, kw_only=True)
class RunMetrics:
    """What a run measured: ``metrics.json``, the last file that it writes.

    Args:
        monitor: the metric by which the best weights were chosen, and its value.
        validation: results of the best weights, by task.
        test: the same on the test set; empty where that was left alone.
        extra_test_sets: the same for each further test set, by its name.
        epochs: how many were trained.
        best_epoch: the one that gave the best weights, from 0; None where nothing was trained.
        parameters: trained ones, and all.
        seconds: of the run.
        sentences_per_second: in training; None where nothing was trained.
        peak_megabytes: most memory in use, in MB (10^6 bytes), of the ``process`` and, where there is one, the ``gpu``.
        conflict: by pair of tasks, ``category-sentiment``; empty where gradients were not watched.
        activation_cache: splits whose frozen activations were ``reused`` or ``computed``; empty where none were kept.
        precision: as Lightning names it, ``32-true``.
        device: ``cpu``, ``cuda`` or ``mps``.
        soup: folders of the runs whose average this is; empty for a run that was trained.
        health: of the embedding, see :mod:`polyhead.training.embedding_health`: ``agreement`` and ``lowest_agreement``
            with the start over ``sentences`` of validation, ``uniformity``, ``effective_rank`` and, of ``pairs``,
            ``spearman``, each of the three with the value at the start under ``NAME_before``; empty where it was not
            measured. Of a student it is ``teacher_agreement``, and what stands before are the teacher's values.
        kept_heads: by task, those that a run took from its start and has no labels for.
        dimensions: by width of the embedding below the whole, the results of each split, without tables.
    """

    file_name: ClassVar[str] = "metrics.json"

    monitor: Monitor
    validation: SplitResults
    test: SplitResults
    extra_test_sets: Mapping[str, SplitResults]
    epochs: int
    best_epoch: int | None
    parameters: ParameterCounts
    seconds: Seconds
    sentences_per_second: float | None
    peak_megabytes: Mapping[str, float]
    conflict: Mapping[str, PairConflict]
    activation_cache: Mapping[str, int]
    precision: str
    device: str
    soup: Sequence[str] = ()
    health: Mapping[str, float] = field(default_factory=dict)
    kept_heads: Mapping[str, KeptHead] = field(default_factory=dict)
    dimensions: Mapping[str, Mapping[str, SplitResults]] = field(default_factory=dict)

    @property
    def test_sets(self) -> dict[str, SplitResults]:
        """Results by test set, ``test`` first; those that the run did not measure are left out."""
        test_sets = {"test": self.test, **self.extra_test_sets}
        return {name: results for name, results in test_sets.items() if results}

    def write(self, run: RunFolder) -> None:
        """Write the file whole or not at all."""
        write_fields(self, run, self.file_name)

    @classmethod
    def read(cls, run: RunFolder) -> Self:
        """Read the file, of this format or an older one.

        Raises:
            UserError: the file is missing, damaged, incomplete or of a newer format.
        """
        metrics = cls(**read_fields(cls, run, cls.file_name))
        path = str(run.folder / cls.file_name)
        for results in (metrics.validation, metrics.test, *metrics.extra_test_sets.values()):
            for task, values in results.items():
                _check_results(path, task, values)
        for task, kept in metrics.kept_heads.items():
            check_kept_head(path, task, kept)
        return metrics


def _check_results(path: str, task: str, values: Mapping[str, Any]) -> None:
    """Check that the results of a task have what its kind measures.

    Raises:
        UserError: a kind that there is not, a metric that is missing, or a temperature that is not above 0.
    """
    name = values.get("kind", SingleLabel.name)
    if name not in KINDS:
        raise UserError(f"{path!r} has a task of the kind {name!r}; {did_you_mean(name, KINDS)}")
    kind = KINDS[name]
    tables = ("f1", "confusion") if kind.one_class else ()
    lacking = [metric for metric in (*kind.measures, *kind.fit_measures, *tables) if metric not in values]
    if lacking:
        raise UserError(f"{path!r} has {task}.{lacking[0]}: missing; it was damaged or changed: run train.py again")
    check_temperature(path, task, values.get("temperature", 1.0))  # a task need not have one


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """What a run was made with: ``provenance.json``, written at its start, and again once the data have been read.

    Args:
        choices: the option taken in each group of the configuration; None where a group has none.
        overrides: the arguments of ``train.py`` that make the run again.
        command: the command line.
        seed: of the run.
        precision: as Lightning names it.
        device: ``cpu``, ``cuda`` or ``mps``.
        python: its version.
        versions: of packages, by name.
        git: ``commit`` of the source, and whether it was ``changed`` since; None outside a checkout.
        hardware: ``processor``, ``cores``, ``threads`` that computed, and names of ``gpus``.
        data: a digest of sentences and labels by split; empty until they have been read.
        encoder: how texts became embeddings, in words; empty in runs of older versions.
    """

    file_name: ClassVar[str] = "provenance.json"

    choices: Mapping[str, Any]
    overrides: Sequence[str]
    command: Sequence[str]
    seed: int
    precision: str
    device: str
    python: str
    versions: Mapping[str, str]
    git: Mapping[str, Any] | None
    hardware: Mapping[str, Any]
    data: Mapping[str, str] = field(default_factory=dict)
    encoder: Mapping[str, str] = field(default_factory=dict)

    def write(self, run: RunFolder) -> None:
        """Write the file whole or not at all."""
        write_fields(self, run, self.file_name)

    @classmethod
    def read(cls, run: RunFolder) -> Self:
        """Read the file, of this format or an older one.

        Raises:
            UserError: the file is missing, damaged, incomplete or of a newer format.
        """
        return cls(**read_fields(cls, run, cls.file_name))

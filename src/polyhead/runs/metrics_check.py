"""The check of metrics that were read back: whether each value is what its field says. Knows nothing about files."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from polyhead.errors import UserError, is_finite
from polyhead.runs.contents import RunMetrics
from polyhead.tasks import kind_of


def check_metrics(metrics: RunMetrics) -> None:
    """Check the values by which runs are compared.

    Raises:
        UserError: one of them is of another type or out of range; the fields are named.
    """
    fits: dict[str, bool] = {
        "validation": _is_mapping_of(_is_results)(metrics.validation),
        "test": _is_mapping_of(_is_results)(metrics.test),
        "extra_test_sets": _is_mapping_of(_is_mapping_of(_is_results))(metrics.extra_test_sets),
        "parameters": _has_numbers(metrics.parameters, ("trainable", "total")),
        "seconds": _has_numbers(metrics.seconds, ("total",)),
        "sentences_per_second": metrics.sentences_per_second is None or _is_amount(metrics.sentences_per_second),
        "peak_megabytes": _is_mapping_of(_is_amount)(metrics.peak_megabytes),
        "conflict": _is_mapping_of(_is_mapping_of(is_finite))(metrics.conflict),
        "activation_cache": _is_mapping_of(_is_amount)(metrics.activation_cache),
        "health": _is_mapping_of(is_finite)(metrics.health),
        "dimensions": _is_mapping_of(_is_mapping_of(_is_mapping_of(_has_scores)))(metrics.dimensions),
        "precision": isinstance(metrics.precision, str),
        "device": isinstance(metrics.device, str),
    }
    wrong = [name for name, fitting in fits.items() if not fitting]
    if wrong:
        raise UserError(f"{RunMetrics.file_name} is damaged: {', '.join(wrong)} cannot be what a run measured")


def _is_amount(value: Any) -> bool:
    return is_finite(value) and value >= 0


def _is_mapping_of(fits: Callable[[Any], bool]) -> Callable[[object], bool]:
    return lambda value: isinstance(value, Mapping) and all(map(fits, value.values()))


def _has_numbers(value: object, names: Sequence[str]) -> bool:
    return isinstance(value, Mapping) and all(_is_amount(value.get(name)) for name in names)


def _is_results(results: Any) -> bool:
    """Return whether the results of a task have the scores of its kind, and a confusion matrix of its classes."""
    if not _has_scores(results):
        return False
    kind = kind_of(results)
    if not kind.one_class:
        return True
    by_class: Any = results.get("f1")
    if not all(0 <= results[name] <= 1 for name in ("accuracy", "macro_f1")):
        return False
    return _is_mapping_of(_is_amount)(by_class) and _is_square(results.get("confusion"), len(by_class))


def _has_scores(results: Any) -> bool:
    if not isinstance(results, Mapping):
        return False
    kind = kind_of(results)
    return all(is_finite(results.get(name)) for name in kind.scores) and results[kind.headline] <= 1


def _is_square(table: object, size: int) -> bool:
    if not isinstance(table, list) or len(table) != size:
        return False
    return all(isinstance(row, list) and len(row) == size and all(map(_is_amount, row)) for row in table)

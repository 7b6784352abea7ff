"""Reproduction: a run trained again from the files it left, and whether its metrics are the same."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from polyhead.app.config.hydra_state import compose_as_train
from polyhead.app.config.invocation import Invocation
from polyhead.app.config.old_names import new_overrides
from polyhead.app.config.run_config import read_config, use_own_caches
from polyhead.app.training import train
from polyhead.runs.contents import Provenance, RunMetrics
from polyhead.runs.folder import RunFolder
from polyhead.runs.record import flat

_MADE_WITH = ("versions", "git", "hardware", "python", "precision", "device", "data")
_MEASURED = ("validation", "test", "extra_test_sets")


def run(configs: Path, original: Path, folder: Path, trust: Collection[str] = (), search: Sequence[Path] = ()) -> bool:
    """Train a run again in another folder, and print how the two compare.

    Args:
        configs: the folder of train.py's configuration.
        original: folder of a finished run.
        folder: of the new run.
        trust: packages whose names the run may build, beside polyhead's own.
        search: folders with options of the user's own, which a run that continued another composes again.

    Returns:
        Whether all metrics are equal to the last bit.

    Raises:
        UserError: the original is not a finished run or builds what is not trusted, or the new folder is taken.
    """
    first, second = RunFolder(original), RunFolder(folder)
    before, metrics = Provenance.read(first), RunMetrics.read(first)
    config = read_config(original, folder, trust)
    use_own_caches(config, compose_as_train(configs, ["data=files", "activation_cache=disk"], search))
    asked = Invocation(before.choices, new_overrides(before.overrides), search=search)
    train.run(config, quiet=True, invocation=asked)
    made_with = differences(vars(before), vars(Provenance.read(second)), _MADE_WITH)
    print("\n".join(made_with) or "made with the same")
    found = list(differences(vars(metrics), vars(RunMetrics.read(second)), _MEASURED))
    print("\n".join(found) or "the metrics are the same, to the last bit")
    return not found


def differences(before: Mapping[str, Any], after: Mapping[str, Any], keys: tuple[str, ...]) -> Iterator[str]:
    """Yield a line for each value under ``keys`` that differs."""
    old, new = (flat({key: side.get(key) for key in keys}) for side in (before, after))
    for name in dict.fromkeys([*old, *new]):
        if old.get(name) != new.get(name):
            yield f"{name}: {old.get(name)} then, {new.get(name)} now"

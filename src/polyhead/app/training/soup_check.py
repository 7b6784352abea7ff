"""The check that the average of several runs is measured fairly: on sentences that none of them learned from."""

from collections.abc import Iterable, Mapping
from pathlib import Path

from omegaconf import DictConfig

from polyhead.app.config.run_config import read_config
from polyhead.app.config.trust import check_trust
from polyhead.errors import UserError
from polyhead.runs.contents import Provenance
from polyhead.runs.folder import RunFolder

_SHARED = ("tasks", "encoder")
_ADAPTERS = "polyhead.freezing.LoRA"  # the mean of products is not the product of means


def check(runs: Iterable[str], config: DictConfig, digests: Mapping[str, str]) -> None:
    """Check that runs share the encoder and tasks of a configuration, and learned from no sentence that it evaluates.

    Args:
        runs: their folders.
        config: of the run that is to start from their average.
        digests: of its sentences, by split.

    Raises:
        UserError: a run does not fit.
    """
    for name in runs:
        folder = Path(name)
        theirs, made = (
            read_config(folder, trust=check_trust(config.get("trust", []))),
            Provenance.read(RunFolder(folder)),
        )
        _check_choices(name, theirs, config)
        for split, digest in digests.items():
            if made.data.get(split, digest) != digest:
                raise UserError(
                    f"soup.runs: {name!r} had other {split} sentences; it may have learned from those that are "
                    "evaluated here, so average runs of the same data and data.seed"
                )


def _check_choices(name: str, theirs: DictConfig, ours: DictConfig) -> None:
    for key in _SHARED:
        if theirs[key] != ours[key]:
            raise UserError(
                f"soup.runs: {name!r} was trained with other choices of {key}; average runs that share them"
            )
    if theirs.freeze._target_ == _ADAPTERS:
        raise UserError(
            f"soup.runs: {name!r} was trained with freeze=lora, whose adapters cannot be averaged; leave it out"
        )

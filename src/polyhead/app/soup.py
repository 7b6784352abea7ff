"""Soups: runs averaged as a run of its own, and the check that their average can be measured fairly."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from polyhead.app import train
from polyhead.app.trained import read_config
from polyhead.errors import UserError
from polyhead.report.reading import DONE, UNTESTED, read_all
from polyhead.runs import Run

_REPLACED = ("soup", "freeze", "features", "resume")
_SHARED = ("tasks", "encoder")


def run(configs: Path, folders: Sequence[Path], folder: Path, recipe: str) -> None:
    """Average finished runs, and evaluate the average as the first of them was.

    Args:
        configs: the folder of train.py's configuration.
        folders: of runs, or folders that hold some; those that are not done are left out.
        folder: of the new run.
        recipe: of :class:`polyhead.soup.Soup`.

    Raises:
        UserError: fewer than two finished runs, runs that do not fit together, or the new folder is taken.
    """
    records = [record for record in read_all(folders) if record.status in (DONE, UNTESTED)]
    if len(records) < 2:
        raise UserError(f"{len(records)} finished runs in {', '.join(map(str, folders))}; an average needs two")
    first = records[0].folder
    made = Run(first).read_json("provenance.json").get("overrides", [])
    overrides = [text for text in made if text.lstrip("+~").partition("=")[0].split(".")[0] not in _REPLACED]
    overrides += [f"soup={recipe}", "soup.runs=[]", "freeze=all", "features=off"]
    with initialize_config_dir(str(configs.resolve()), version_base="1.3"):
        composed = compose("train", overrides=overrides, return_hydra_config=True)
    HydraConfig.instance().set_config(composed)
    config = read_config(first, moved=folder.resolve())
    for key in _REPLACED:
        config[key] = composed.get(key)
    config.soup.runs = [str(record.folder.resolve()) for record in records]
    train.run(config)


def check(runs: Iterable[str], config: DictConfig, digests: Mapping[str, str]) -> None:
    """Check that runs have the encoder and the tasks of a configuration, and learned from nothing that it evaluates.

    Args:
        runs: their folders.
        config: of the run that is to start from their average.
        digests: of its sentences, by split.

    Raises:
        UserError: one does not fit.
    """
    for name in runs:
        folder = Path(name)
        theirs, made = read_config(folder), Run(folder).read_json("provenance.json")
        for key in _SHARED:
            if theirs[key] != config[key]:
                raise UserError(
                    f"soup.runs: {name!r} was trained with other choices of {key}; average runs that share them"
                )
        for split, digest in digests.items():
            if made.get("data", {}).get(split, digest) != digest:
                raise UserError(
                    f"soup.runs: {name!r} had other {split} sentences; it may have learned from those that are "
                    "evaluated here, so average runs of the same data and data.seed"
                )

"""Soups: finished runs averaged as a run of its own."""

from collections.abc import Collection, Sequence
from pathlib import Path

from polyhead.app.config.hydra_state import chosen_options, compose_as_train
from polyhead.app.config.invocation import Invocation
from polyhead.app.config.literals import literal
from polyhead.app.config.old_names import new_overrides
from polyhead.app.config.run_config import read_config, use_own_caches
from polyhead.app.training import train
from polyhead.errors import UserError
from polyhead.runs.contents import Provenance
from polyhead.runs.folder import RunFolder
from polyhead.runs.record import read_all
from polyhead.runs.status import DONE, UNTESTED

_REPLACED = (  # parts of the first run's configuration: nothing learns here, from labels, a teacher or an embedding
    *("soup", "freeze", "activation_cache", "heads", "resume"),
    *("teacher", "distillation", "keep_embedding"),
)


def run(
    configs: Path,
    folders: Sequence[Path],
    folder: Path,
    recipe: str,
    trust: Collection[str] = (),
    search: Sequence[Path] = (),
) -> None:
    """Average finished runs, and evaluate the average as the first of them was.

    Args:
        configs: the folder of train.py's configuration.
        folders: of runs, or folders that hold some; those that are not done are left out.
        folder: of the new run.
        recipe: option of the group ``soup``.
        trust: packages whose names the runs may build, beside polyhead's own.
        search: folders with options of the user's own.

    Raises:
        UserError: fewer than two finished runs, runs that do not fit together, or the new folder is taken.
    """
    found = read_all(folders)
    records = [record for record in found if record.status in (DONE, UNTESTED)]
    if len(records) < 2:
        left_out = next((record for record in found if record not in records), None)
        why = f" ({left_out.folder.name}: {left_out.message or left_out.status})" if left_out else ""
        raise UserError(f"{len(records)} finished runs in {', '.join(map(str, folders))}{why}; an average needs two")
    first = records[0].folder
    noted = Provenance.read(RunFolder(first))
    config = read_config(first, folder, trust)
    ours = [f"soup={recipe}", "soup.runs=[]", "freeze=all", "heads=trained", "activation_cache=off"]
    composed = compose_as_train(configs, [*ours, "data=files"], search)
    use_own_caches(config, composed)
    for key in _REPLACED:
        config[key] = composed.get(key)
    if "unlabelled" in config.data:
        config.data.unlabelled = None  # a teacher's, and never held out
    config.soup.runs = literal([str(record.folder.resolve()) for record in records])
    theirs = [override for override in new_overrides(noted.overrides) if _section_of(override) not in _REPLACED]
    replaced = {group: option for group, option in chosen_options().items() if group in _REPLACED}
    # Nothing is composed from their overrides: those name files, and a run of somebody else is not to choose them.
    train.run(config, invocation=Invocation({**noted.choices, **replaced}, [*theirs, *ours], search=search))


def _section_of(override: str) -> str:
    """Return the part of the configuration that an override changes: ``freeze`` for ``+freeze.count=2``."""
    return override.lstrip("+~").partition("=")[0].split(".")[0]

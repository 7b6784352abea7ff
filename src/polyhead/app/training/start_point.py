"""Start point: a run or a bundle whose encoder and heads a new run begins with."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, ListConfig, OmegaConf

from polyhead.app.config.builder import plain
from polyhead.app.config.literals import literal
from polyhead.app.config.run_config import read_config
from polyhead.app.config.trust import check_trust
from polyhead.app.loaded.trained import load_trained_run
from polyhead.deployment.bundle.folder import Bundle
from polyhead.deployment.bundle.manifest import FILE, Manifest
from polyhead.deployment.bundle.scores import read_scores
from polyhead.errors import UserError, did_you_mean
from polyhead.models.multitask import MultiTaskModel
from polyhead.runs.contents import RunMetrics
from polyhead.runs.folder import RunFolder
from polyhead.runs.kept_head import KeptHead
from polyhead.tasks import SingleLabel, Task, make_tasks

_OWN = ("pooling", "max_length", "prompt")  # of an encoder: as its folder says, where nothing else is given

AUTO = "auto"


@dataclass(frozen=True)
class StartPoint:
    """A finished run, or a bundle.

    Args:
        folder: of it.
        tasks: of its heads that predict one class out of several, to which classes may be added.
        other_tasks: those of other kinds.
        trust: packages whose names its configuration may build, beside polyhead's own.
    """

    folder: Path
    tasks: tuple[Task, ...]
    other_tasks: tuple[Task, ...]
    trust: tuple[str, ...]

    @property
    def others(self) -> tuple[str, ...]:
        """The names of the tasks of other kinds."""
        return tuple(task.name for task in self.other_tasks)

    @property
    def is_bundle(self) -> bool:
        """Whether it is a bundle."""
        return (self.folder / FILE).is_file()

    @cached_property
    def _manifest(self) -> Manifest:
        return Bundle.open(self.folder).manifest

    @cached_property
    def _metrics(self) -> RunMetrics:
        return RunMetrics.read(RunFolder(self.folder))

    def load_model(self) -> MultiTaskModel:
        """Load encoder and heads, adapters merged.

        Raises:
            UserError: they cannot be loaded.
        """
        if self.is_bundle:
            return Bundle.open(self.folder).load_model()
        return load_trained_run(self.folder, self.trust).model

    def calibration(self) -> dict[str, KeptHead]:
        """Return what a prediction needs of each task beside its head."""
        if self.is_bundle:
            scores = {task: found.plain() for task, found in read_scores(self.folder, self.tasks).items()}
            widths = self._manifest.dimensions
            return {
                entry.name: _kept(entry.name, entry.temperature or 1.0, scores.get(entry.name), widths)
                for entry in self._manifest.tasks
                if entry.name not in self.others
            }
        metrics = self._metrics
        fits = {size: splits.get("validation", {}) for size, splits in metrics.dimensions.items()}
        measured = {
            task: _kept(task, results["temperature"], results.get("scores"), fits)
            for task, results in metrics.validation.items()
            if task not in self.others
        }
        return {**metrics.kept_heads, **measured}

    def check_widths(self, kept: Sequence[str], sizes: Sequence[int]) -> None:
        """Check that heads that are kept were trained for widths of the embedding.

        Args:
            kept: their tasks.
            sizes: the widths, below the whole.

        Raises:
            UserError: one was not.
        """
        described = self._manifest if self.is_bundle else self._metrics
        heads = self.calibration()
        for task in kept:
            known = {*described.dimensions, *(heads[task].get("dimensions", {}) if task in heads else ())}
            if lacking := [size for size in sizes if str(size) not in known]:
                raise UserError(
                    f"model.dimensions: {lacking[0]} given, and the head of {task} in {str(self.folder)!r}, which is "
                    f"kept as it is, was not trained for that; leave {lacking[0]} out, or set keep_heads=[]"
                )


def _kept(task: str, temperature: float, scores: Any, fits: Mapping[str, Mapping[str, Any]]) -> KeptHead:
    """Describe a head; ``fits`` has what validation fitted by width and task."""
    kept = KeptHead(temperature=temperature, scores=scores)
    if widths := {size: by_task[task]["temperature"] for size, by_task in fits.items() if task in by_task}:
        kept["dimensions"] = widths
    return kept


def begin_at_start(config: DictConfig, overrides: Sequence[str] = ()) -> None:
    """Write into a configuration what follows from its ``start``: the encoder, and the tasks of heads that are kept.

    Where that is done already nothing changes.

    Args:
        config: of a run.
        overrides: that made it, and may not choose another encoder.

    Raises:
        UserError: the start is neither a finished run nor a bundle, or does not go with what else is given.
    """
    start = find_start(config)
    if start is None:
        if config.get("keep_heads", AUTO) != AUTO and config.keep_heads:
            raise UserError("keep_heads: without effect but with start; give start=RUN, or leave it out")
        return
    if config.get("soup") and not _is_that_of_soup(config):
        raise UserError("start: given beside a soup, which begins with the average of its runs; leave one of them out")
    _take_encoder(config, start, overrides)
    if isinstance(config.tasks, DictConfig | ListConfig):
        _keep_tasks(config, start)


def _is_that_of_soup(config: DictConfig) -> bool:
    """Return whether the runs of a soup had this start: then it says which heads are kept, and gives no weights."""
    runs, trust = config.soup.get("runs") or (), check_trust(config.get("trust", []))
    return all(read_config(Path(run), trust=trust).get("start") == config.start for run in runs)


def find_start(config: DictConfig) -> StartPoint | None:
    """Find the start of a run; None where it begins with an encoder alone.

    Raises:
        UserError: it is neither a finished run nor a bundle.
    """
    found = find_trained(config, "start")
    return None if found is None else _start_point(*found)


def find_trained(config: DictConfig, key: str) -> tuple[Path, Sequence[Task], tuple[str, ...]] | None:
    """Find a finished run or a bundle that a configuration names.

    Args:
        config: of a run.
        key: that names it.

    Returns:
        Its folder, the tasks of its heads, and the packages whose names its configuration may build; None where none is
        named.

    Raises:
        UserError: it is neither a finished run nor a bundle.
    """
    if key not in config:  # as in configurations of older versions
        return None
    if OmegaConf.is_missing(config, key):
        raise UserError(f"{key}: missing; set {key}=RUN, a finished run or a bundle")
    given = config.get(key)
    if given is None:
        return None
    folder, trust = Path(str(given)), check_trust(config.get("trust", []))
    if (folder / FILE).is_file():
        return folder, Bundle.open(folder).tasks, trust
    if not (folder / "config.yaml").is_file():
        raise UserError(f"{key}: {str(given)!r} is neither a finished run nor a bundle; give the folder of one")
    RunMetrics.read(RunFolder(folder))
    return folder, make_tasks(plain(read_config(folder, trust=trust).tasks)), trust


def _start_point(folder: Path, tasks: Sequence[Task], trust: tuple[str, ...]) -> StartPoint:
    single = tuple(task for task in tasks if task.kind.name == SingleLabel.name)  # of others, rows are no classes
    return StartPoint(folder, single, tuple(task for task in tasks if task not in single), trust)


def _take_encoder(config: DictConfig, start: StartPoint, overrides: Sequence[str]) -> None:
    given = [override for override in overrides if override.lstrip("+~").startswith(("encoder=", "encoder."))]
    if given:
        raise UserError(f"{given[0]}: with start the encoder is that of {str(start.folder)!r}; leave it out")
    section: dict[str, Any] = {
        "location": str(start.folder),
        "pretrained": True,
        "sha256": None,
        **dict.fromkeys(_OWN, AUTO),
    }
    if start.is_bundle:
        manifest = Bundle.open(start.folder).manifest
        section |= {"max_length": manifest.max_length, "long": "truncate"}
        if manifest.windows > 1:
            section |= {"long": "windows", "windows": manifest.windows}
    else:
        theirs = read_config(start.folder, trust=start.trust).encoder
        section |= {name: theirs[name] for name in ("long", "windows") if name in theirs}
    config.encoder = literal({**plain(config.encoder), **section})


def _keep_tasks(config: DictConfig, start: StartPoint) -> None:
    """Add the tasks of the heads that are kept, and name these in ``keep_heads``."""
    named = _by_name(config.tasks)
    known = {task.name: list(task.labels) for task in start.tasks}
    if config.get("keep_heads", AUTO) == AUTO:
        config.keep_heads = [name for name in known if name not in named]
    elif not isinstance(config.keep_heads, ListConfig):
        raise UserError(f"keep_heads: {config.keep_heads!r} given; it must be a list of names, or auto")
    unknown = [name for name in config.keep_heads if name not in known]
    if unknown:
        raise UserError(f"keep_heads: the start has no {unknown[0]!r}; {did_you_mean(unknown[0], known)}")
    config.tasks = literal({**named, **{name: known[name] for name in config.keep_heads}})


def _by_name(tasks: DictConfig | ListConfig) -> dict[str, Any]:
    """Return tasks as entries with names; bare names have no class names yet."""
    if isinstance(tasks, DictConfig):
        return plain(tasks)
    named: dict[str, Any] = {}
    entries: list[Any] = OmegaConf.to_container(tasks, resolve=True)  # type: ignore[assignment]
    for entry in entries:
        named |= entry if isinstance(entry, dict) else {str(entry): None}
    return named

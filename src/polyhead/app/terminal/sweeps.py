"""Sweeps: many runs of one command. Which of them are done already, and how far all of them are.

Knows nothing about what a run does. Works with any launcher, because it looks at the folders alone.
"""

import atexit
import logging
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig

from polyhead.app.config.old_names import new_overrides
from polyhead.app.config.places import without_places
from polyhead.app.terminal.command_names import as_called
from polyhead.app.terminal.run_names import name_runs, param_overrides, split_jobs
from polyhead.runs.folder import RunFolder, is_aside
from polyhead.runs.old_names import upgrade
from polyhead.runs.status import DONE, FAILED, UNFINISHED, status_of
from polyhead.storage.documents import parse_yaml, read_yaml

log = logging.getLogger(__name__)

_PERIOD = 2.0  # seconds between two looks at the folders


def finished_twin(run: RunFolder, config: str, changed: Callable[[RunFolder], Sequence[str]]) -> RunFolder | None:
    """Return the run of a sweep that is done with this configuration and data, and free the folder of this one.

    A run that never ended starts from its beginning: to continue in the middle of it would make its seconds wrong. One
    that is done with other data keeps its results, in a folder beside its own.

    Args:
        run: of the job that is about to start, in the sweep's folder.
        config: its resolved configuration, in YAML.
        changed: gives in words what is not as a run had it: sentences, or the files of the encoder.
    """
    wanted = _comparable(parse_yaml(config))
    own = _read_comparable(run.folder / "config.yaml") or {}
    if own != wanted and _without_classes(own) == _without_classes(wanted):
        _free(run)
    configs = sorted(run.folder.parent.glob("*/config.yaml"))
    twins = [RunFolder(path.parent) for path in configs if _read_comparable(path) == wanted]
    changes = {twin.folder: changed(twin) for twin in twins if twin.done}
    for folder, others in changes.items():
        if not others:
            return RunFolder(folder)
    for folder, others in changes.items():
        kept = run.set_aside().folder if folder == run.folder else folder
        log.info("done with %s, so it runs again; the old run: %s", "; ".join(others), kept)
    if run in twins and not run.done and run.claimed:
        run.clear()
    if not (run.folder / "config.yaml").exists() and status_of(run.folder)[0] == FAILED:
        run.clear()  # its configuration was refused last time; the log would call it failed while it runs
    return None


def _free(run: RunFolder) -> None:
    """Free the folder of a run whose sentences had other classes; what is done is kept beside it."""
    if run.done:
        log.info("done with other classes, so it runs again; the old run: %s", run.set_aside().folder)
    else:
        run.clear()


def _without_classes(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return a configuration with the names of its tasks alone, whose classes come from the sentences."""
    return {**content, "tasks": list(content.get("tasks") or ())}


def _read_comparable(path: Path) -> dict[str, Any] | None:
    try:
        return _comparable(read_yaml(path))
    except (OSError, ValueError):  # damaged: the configuration of no run that is known
        return None


def _comparable(content: Any) -> dict[str, Any]:
    return without_places(upgrade(content if isinstance(content, dict) else {}))


class SweepStatus(Callback):
    """Prints one line whenever a run of the sweep starts or ends: how many are done, running, failed, time left."""

    def __init__(self) -> None:
        self._ended = threading.Event()
        self._watcher: threading.Thread | None = None

    def __reduce__(self) -> tuple[type["SweepStatus"], tuple[()]]:
        """Go to other processes, where launchers send it with each job, as one that watches nothing."""
        return SweepStatus, ()

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """Watch the sweep's folder until the sweep ends; its choices get the names of today before it starts."""
        _rename_params(config)
        name_runs(config)
        watch = _Watch(Path(config.hydra.sweep.dir), len(split_jobs(config)))
        self._watcher = threading.Thread(target=watch.until, args=(self._ended,), daemon=True)
        self._watcher.start()
        atexit.register(self._finish)  # a sweep with a failed run ends in an exception, and without the hook below

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Stop watching, and say how to compare the runs."""
        self._finish()
        print("compare them:", as_called(f"python scripts/report.py {config.hydra.sweep.dir}"), flush=True)

    def _finish(self) -> None:
        self._ended.set()
        if self._watcher is not None:
            self._watcher.join()


def _rename_params(config: DictConfig) -> None:
    """Put the choices of a sweep's file, as ``params: {features: "disk,off"}``, under the names of today."""
    params = config.hydra.sweeper.get("params")
    if params:
        renamed = [override.partition("=") for override in new_overrides(param_overrides(params))]
        config.hydra.sweeper.params = {key: values for key, _, values in renamed}


class _Watch:
    """Counts runs by status, and estimates from the pace so far when the last one will be done."""

    def __init__(self, folder: Path, jobs: int) -> None:
        self.folder = folder
        self.jobs = jobs
        self.started = time.time()
        self._before = self.count()[DONE]

    def until(self, ended: threading.Event) -> None:
        """Print a line at each change."""
        shown = ""
        while True:
            last = ended.wait(_PERIOD)
            counts = self.count()
            jobs = max(self.jobs, counts.total())  # the folder may hold runs of another grid, too
            summary = f"{counts[DONE]} of {jobs} done, {counts[UNFINISHED]} running, {counts[FAILED]} failed"
            if summary != shown:
                shown = summary
                print(f"sweep: {summary}{self._time_left(counts)}", flush=True)
            if last:
                return

    def count(self) -> Counter[str]:
        """Count the runs by status; what an earlier, killed sweep left unfinished or failed does not count."""
        counts: Counter[str] = Counter()
        for folder in self.folder.glob("*/"):
            status, _ = status_of(folder)
            alive = status == DONE or _changed_since(folder, self.started)
            if alive and not is_aside(folder) and (status != UNFINISHED or (folder / "config.yaml").exists()):
                counts[status] += 1
        return counts

    def _time_left(self, counts: Counter[str]) -> str:
        self._before = min(self._before, counts[DONE])  # runs that are done with other data begin again
        ended = counts[DONE] + counts[FAILED]
        here, left = ended - self._before, self.jobs - ended
        if here < 1 or left < 1:
            return ""
        return f", about {max(1, round((time.time() - self.started) / here * left / 60))} min left"


def _changed_since(folder: Path, moment: float) -> bool:
    return any(path.stat().st_mtime >= moment for path in folder.glob("*.log"))

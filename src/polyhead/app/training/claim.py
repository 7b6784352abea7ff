"""Claims: how a run takes its folder, afresh or to continue in it. Knows nothing about what the run does there."""

import logging
from collections.abc import Callable, Sequence

from omegaconf import DictConfig, OmegaConf

from polyhead.app.terminal.sweeps import finished_twin
from polyhead.app.training.resumption import Resumption
from polyhead.runs.contents import Provenance, RunMetrics
from polyhead.runs.folder import RunFolder

log = logging.getLogger(__name__)


def claim(
    folder: RunFolder,
    config: DictConfig,
    resumption: Resumption,
    changed: Callable[[RunFolder], Sequence[str]],
    in_multirun: bool = False,
) -> RunMetrics | None:
    """Take the folder of a run; where a sweep has made this very run already, return its metrics instead.

    Args:
        folder: of the run.
        config: of the run, with the classes that were found.
        resumption: what it continues.
        changed: gives in words what is not as a run had it.
        in_multirun: whether the run is one job of a sweep.

    Raises:
        UserError: the folder is another run's, or cannot be written.
    """
    resolved = OmegaConf.to_yaml(config, resolve=True)
    if resumption.in_place and resumption.checkpoint is not None:
        folder.continue_as(resolved)
        log.info("continued from %s", resumption.checkpoint)
        return None
    twin = finished_twin(folder, resolved, changed) if in_multirun else None
    if twin is not None:
        log.info("done already: %s", twin.folder)
        return RunMetrics.read(twin)
    if resumption.in_place and folder.claimed:
        log.info("stopped before its first checkpoint, so it starts from the beginning: %s", folder.folder)
        folder.clear()
    folder.claim(resolved)
    return None


def noted_data(resumption: Resumption) -> dict[str, str]:
    """Return the digests of the sentences that the run in this folder has noted; none where it starts afresh."""
    if not resumption.in_place or resumption.stopped is None or resumption.checkpoint is None:
        return {}
    return dict(Provenance.read(resumption.stopped).data)

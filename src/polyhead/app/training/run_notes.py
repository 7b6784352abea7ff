"""Run notes: with what a run is made, noted in its folder before it begins and as its sentences are read."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from omegaconf import DictConfig

from polyhead.app.config.invocation import Invocation
from polyhead.app.loaded.encoder_record import encoder_changes
from polyhead.app.training.claim import claim, noted_data
from polyhead.app.training.components import RunComponents
from polyhead.app.training.resumption import Resumption
from polyhead.app.training.run_data import changed_splits, resolve_models
from polyhead.hardware import device_type
from polyhead.runs.contents import Provenance, RunMetrics
from polyhead.runs.environment import describe_environment
from polyhead.runs.folder import RunFolder


class RunNotes:
    """The notes of a run in its folder.

    Args:
        config: of the run.
        parts: the objects that the configuration describes.
        resumption: what the run continues.
        asked: how it was asked for.

    Raises:
        UserError: the models that it begins with are not to be found.
    """

    def __init__(self, config: DictConfig, parts: RunComponents, resumption: Resumption, asked: Invocation) -> None:
        self.config, self.parts = config, parts
        self.resumption, self.asked = resumption, asked
        self.folder = RunFolder(Path(config.run_dir))
        self.provenance = Provenance(
            **asked.noted(),
            **describe_environment(asked.command),
            seed=config.seed,
            precision=parts.precision,
            device=device_type(config.trainer.accelerator),
            encoder=resolve_models(parts),
        )

    def claim(self) -> RunMetrics | None:
        """Take the folder, and note with what the run is made; return the metrics of a run that is done already."""
        known = noted_data(self.resumption)
        made_before = claim(self.folder, self.config, self.resumption, self._changes, self.asked.in_multirun)
        if made_before is None:
            replace(self.provenance, data=known).write(self.folder)
        return made_before

    def _changes(self, run: RunFolder) -> list[str]:
        """Return in words what is not as another run of this configuration had it."""
        splits = changed_splits(self.parts, run)
        other = [f"other {', '.join(splits)} sentences"] if splits else []
        return other + encoder_changes(run, self.provenance.encoder)

    def add_data(self, digests: Mapping[str, str]) -> None:
        """Note the digests of the sentences that have been read so far."""
        replace(Provenance.read(self.folder), data=digests).write(self.folder)

    def complete(self, digests: Mapping[str, str]) -> None:
        """Write the notes once more, whatever became of the file, with the digests of all sentences."""
        replace(self.provenance, data=digests).write(self.folder)

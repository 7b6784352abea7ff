"""Best weights: which checkpoint is kept. Knows nothing about what is in it."""

import shutil
from pathlib import Path
from typing import Any

import lightning as L
from lightning.pytorch.callbacks import ModelCheckpoint
from torch import Tensor

from polyhead.storage.digests import check_intact, write_with_digest
from polyhead.training.callbacks.stopping import tells
from polyhead.training.epochs import epoch_is_complete


class BestCheckpoint(ModelCheckpoint):
    """Keeps the best weights by a monitored metric, also across a resumption into another folder.

    Lightning's own forgets the best score when the folder changes, so that the first epoch after a resumption counts
    as the best, whatever came before. Of epochs that are equally good it keeps the first, whose weights are the least
    trained; here the last is kept.

    Args:
        arguments: of Lightning's ModelCheckpoint.
        min_rows: labels that the task with the fewest needs in validation; with fewer the last epoch is the best,
            because the difference between epochs is chance.
        settings: of Lightning's ModelCheckpoint.
    """

    _beside: Path | None = None  # the folder of the checkpoint that is resumed

    def __init__(self, *arguments: Any, min_rows: int = 0, **settings: Any) -> None:
        # A run that was killed and resumes in its folder finds its best.ckpt there, and writes no best-v1.ckpt.
        super().__init__(*arguments, **{"enable_version_counter": False, **settings})
        self.min_rows = min_rows

    def setup(self, trainer: L.Trainer, pl_module: L.LightningModule, stage: str) -> None:
        """Prepare, and note where the best weights lie of a run that has been moved since."""
        self._beside = Path(trainer.ckpt_path).parent if trainer.ckpt_path else None
        super().setup(trainer, pl_module, stage)

    def on_train_epoch_end(self, trainer: L.Trainer, pl_module: L.LightningModule) -> None:
        """Keep the weights of an epoch; where training ends within one, nothing was measured at its end."""
        if epoch_is_complete(trainer):
            super().on_train_epoch_end(trainer, pl_module)

    def check_monitor_top_k(self, trainer: L.Trainer, current: Tensor | None = None) -> bool:
        """Return whether an epoch is at least as good as the best so far."""
        if super().check_monitor_top_k(trainer, current):
            return True
        if current is None:
            return False
        latest = current == self.best_model_score or not tells(trainer, self.min_rows)
        return bool(trainer.strategy.reduce_boolean_decision(bool(latest)))

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the best weights so far, as a copy, so that the other run keeps its own.

        Raises:
            UserError: they are damaged, or cannot be copied.
        """
        theirs = Path(state_dict["best_model_path"])
        if self._beside is not None and not theirs.is_file():  # the run has been moved since
            theirs = self._beside / theirs.name
        if self.dirpath is not None and state_dict["dirpath"] != self.dirpath and theirs.is_file():
            ours = Path(self.dirpath) / theirs.name
            ours.parent.mkdir(parents=True, exist_ok=True)
            if not (ours.exists() and ours.samefile(theirs)):
                check_intact(theirs)
                with write_with_digest(ours) as partial:
                    shutil.copyfile(theirs, partial)
            state_dict = {
                **state_dict,
                "dirpath": self.dirpath,
                "best_model_path": str(ours),
                "kth_best_model_path": str(ours),
                "best_k_models": {str(ours): state_dict["best_model_score"]},
                "last_model_path": "",
            }
        super().load_state_dict(state_dict)

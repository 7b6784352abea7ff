"""Best weights: which checkpoint is kept. Knows nothing about what is in it."""

import shutil
from pathlib import Path
from typing import Any

from lightning.pytorch.callbacks import ModelCheckpoint


class BestCheckpoint(ModelCheckpoint):
    """Keeps the best weights by a monitored metric, also across a resumption into another folder.

    Lightning's own forgets the best score when the folder changes, so that the first epoch after a resumption counts
    as the best, whatever came before.
    """

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take over the best weights so far, as a copy, so that the other run keeps its own."""
        theirs = Path(state_dict["best_model_path"])
        if self.dirpath is not None and state_dict["dirpath"] != self.dirpath and theirs.is_file():
            ours = Path(self.dirpath) / theirs.name
            ours.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(theirs, ours)
            state_dict = {
                **state_dict,
                "dirpath": self.dirpath,
                "best_model_path": str(ours),
                "kth_best_model_path": str(ours),
                "best_k_models": {str(ours): state_dict["best_model_score"]},
                "last_model_path": "",
            }
        super().load_state_dict(state_dict)

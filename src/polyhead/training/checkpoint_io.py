"""Checkpoint files: how Lightning writes, reads and removes them here. Knows nothing about what is in them."""

import io
import os
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.plugins.io import CheckpointIO

from polyhead.errors import UserError
from polyhead.storage.digests import forget_digest, write_with_digest
from polyhead.storage.partials import remove_abandoned
from polyhead.training.checkpoints import load_checkpoint


class SafeCheckpointIO(CheckpointIO):
    """Writes each checkpoint whole into its own folder, with its digest beside it; the one before stays until then.

    Lightning's own way leads through the folder of temporary files, and ends in a copy where that is another file
    system: killed half-way, neither the old checkpoint nor the new one is left.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | os.PathLike[str], storage_options: Any | None = None
    ) -> None:
        """Write a checkpoint.

        Raises:
            UserError: the system refuses, as where the disk is full; the checkpoint before is as it was.
        """
        content = io.BytesIO()
        torch.save(checkpoint, content)
        final = Path(path)
        try:
            final.parent.mkdir(parents=True, exist_ok=True)
            remove_abandoned(final.parent)
            # Without a with the view would outlive an error, in its traceback.
            with write_with_digest(final) as partial, content.getbuffer() as view:
                partial.write_bytes(view)
        except (OSError, UserError) as error:
            cause = error if isinstance(error, OSError) else error.__cause__
            reason = getattr(cause, "strerror", None) or error
            advice = "make room"
            if final.is_file():
                advice += f"; the one before is whole, and resume={final} continues from there"
            raise UserError(f"checkpoint: {str(final)!r} cannot be written ({reason}); {advice}") from error

    def load_checkpoint(
        self, path: str | os.PathLike[str], map_location: Any | None = None, weights_only: bool | None = None
    ) -> dict[str, Any]:
        """Read a checkpoint without running any code in it; see :func:`load_checkpoint`."""
        return load_checkpoint(Path(path))

    def remove_checkpoint(self, path: str | os.PathLike[str]) -> None:
        """Remove a checkpoint and its digest."""
        forget_digest(Path(path))
        Path(path).unlink(missing_ok=True)

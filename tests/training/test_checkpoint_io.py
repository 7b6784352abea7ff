import errno
import os
from pathlib import Path

import pytest
import torch

from polyhead.errors import UserError
from polyhead.storage import digests
from polyhead.training.checkpoint_io import SafeCheckpointIO
from polyhead.training.checkpoints import load_checkpoint


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "checkpoints" / "last.ckpt"
    SafeCheckpointIO().save_checkpoint({"epoch": 1, "weight": torch.arange(1000.0)}, path)
    return path


def test_checkpoint_is_written_into_its_own_folder_alone(path, monkeypatch, tmp_path):
    monkeypatch.setenv("TMPDIR", str(tmp_path / "nowhere"))
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    SafeCheckpointIO().save_checkpoint({"epoch": 2}, path)
    assert SafeCheckpointIO().load_checkpoint(path) == {"epoch": 2}
    assert sorted(os.listdir(path.parent)) == [digests.LISTING, "last.ckpt"]


def test_checkpoint_is_on_the_disk_before_it_takes_its_name(path, monkeypatch):
    synced, replaced, sync, replace = [], [], os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda file: (synced.append(os.readlink(f"/proc/self/fd/{file}")), sync(file)))
    monkeypatch.setattr(Path, "replace", lambda self, to: (replaced.append((str(self), [*synced])), replace(self, to)))
    SafeCheckpointIO().save_checkpoint({"epoch": 2}, path)
    (partial, before) = next(it for it in replaced if "last.ckpt" in it[0])
    assert partial in before
    assert str(path.parent) in synced[len(before) :]  # and its name, after


@pytest.mark.parametrize("where", ["write_bytes", "replace"])
def test_checkpoint_before_survives_a_full_disk_with_one_line(path, monkeypatch, where):
    original = getattr(Path, where)

    def full(self, content):
        if "last.ckpt" not in self.name:
            return original(self, content)
        if where == "write_bytes":
            original(self, bytes(content)[:100])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(Path, where, full)
    with pytest.raises(UserError) as caught:
        SafeCheckpointIO().save_checkpoint({"epoch": 2}, path)
    monkeypatch.undo()
    assert str(caught.value) == (
        f"checkpoint: {str(path)!r} cannot be written (No space left on device); make room; "
        f"the one before is whole, and resume={path} continues from there"
    )
    assert load_checkpoint(path)["epoch"] == 1
    assert sorted(os.listdir(path.parent)) == [digests.LISTING, "last.ckpt"]


def test_checkpoint_of_a_killed_process_is_removed_by_the_next_save(path):
    left = path.with_name("best.ckpt.01234567.partial")
    left.write_bytes(b"half")
    SafeCheckpointIO().save_checkpoint({"epoch": 2}, path)
    assert not left.exists()


def test_checkpoint_that_was_swapped_for_another_is_refused(path):
    torch.save({"epoch": 7}, path)
    with pytest.raises(UserError, match="is damaged, or was changed"):
        load_checkpoint(path)


def test_checkpoint_without_a_digest_is_checked_by_its_own_sums(path):
    (path.parent / digests.LISTING).unlink()
    assert load_checkpoint(path)["epoch"] == 1
    content = path.read_bytes()
    place = content.index(torch.arange(1000.0).numpy().tobytes()) + 1234
    path.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
    with pytest.raises(UserError, match="is no checkpoint of tensors"):
        load_checkpoint(path)


def test_checkpoint_is_removed_with_its_digest(path):
    SafeCheckpointIO().remove_checkpoint(path)
    assert os.listdir(path.parent) == []

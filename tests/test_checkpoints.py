import pickle

import pytest
import torch
from lightning_setup import make_trainer

from polyhead.checkpoints import BestCheckpoint, load_checkpoint
from polyhead.errors import UserError


class Evil:
    def __reduce__(self):
        return (open, ("hacked", "w"))


@pytest.mark.parametrize("content", ["pickle", "torch", "text", "empty", "none"])
def test_what_is_no_checkpoint_is_refused_and_nothing_in_it_runs(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "last.ckpt"
    if content == "pickle":
        path.write_bytes(pickle.dumps(Evil()))
    elif content == "torch":
        torch.save({"state_dict": Evil()}, path)
    elif content != "none":
        path.write_text("hello" if content == "text" else "")
    with pytest.raises(UserError, match="last.ckpt") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "hacked").exists()


def test_the_best_so_far_is_taken_along_into_another_folder(tmp_path):
    old, new = tmp_path / "old", tmp_path / "new"
    old.mkdir()
    (old / "best.ckpt").write_text("weights")
    first = BestCheckpoint(old, "best", monitor="score", mode="max")
    first.best_model_path, first.best_model_score = str(old / "best.ckpt"), torch.tensor(0.9)
    first.best_k_models = {first.best_model_path: first.best_model_score}
    second = BestCheckpoint(new, "best", monitor="score", mode="max")
    second.load_state_dict(first.state_dict())
    assert second.best_model_score == 0.9
    assert second.best_model_path == str(new / "best.ckpt")
    assert not second.check_monitor_top_k(make_trainer(tmp_path), torch.tensor(0.8))
    assert (new / "best.ckpt").read_text() == (old / "best.ckpt").read_text() == "weights"

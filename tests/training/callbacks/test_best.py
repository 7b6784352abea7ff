import torch
from support.training import make_trainer

from polyhead.training.callbacks.best import BestCheckpoint


def test_best_so_far_is_taken_along_into_another_folder(tmp_path):
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

import lightning as L
import pytest
import torch
from support.training import make_data, make_module, make_trainer

from polyhead.training.callbacks.best import BestCheckpoint
from polyhead.training.callbacks.stopping import LastStageStopping
from polyhead.training.fit import fit_and_test


class Worse(L.Callback):
    """Logs a metric that is worse in each epoch, before the others look at it."""

    def on_validation_epoch_end(self, trainer, pl_module):
        pl_module.log("validation/loss_of_epoch", float(trainer.current_epoch))


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


def test_later_of_two_equally_good_epochs_is_the_best(tmp_path):
    best = BestCheckpoint(tmp_path, "best", monitor="score", mode="max")
    best.best_model_path = best.kth_best_model_path = str(tmp_path / "best.ckpt")
    best.best_model_score = torch.tensor(0.9)
    best.best_k_models = {best.best_model_path: best.best_model_score}
    trainer = make_trainer(tmp_path)
    assert best.check_monitor_top_k(trainer, torch.tensor(0.9))
    assert not best.check_monitor_top_k(trainer, torch.tensor(0.89))


@pytest.mark.slow
@pytest.mark.parametrize(("min_rows", "best", "epochs"), [(24, 0, 2), (25, 2, 3)])
def test_last_epoch_is_the_best_and_nothing_stops_early_where_validation_cannot_tell(
    tmp_path, model, tasks, min_rows, best, epochs
):
    callbacks = [
        BestCheckpoint(tmp_path, "best", monitor="validation/loss_of_epoch", mode="min", min_rows=min_rows),
        LastStageStopping(monitor="validation/loss_of_epoch", mode="min", patience=1, min_rows=min_rows),
        Worse(),
    ]
    trainer = make_trainer(tmp_path, max_epochs=3, enable_checkpointing=True, callbacks=callbacks)
    result = fit_and_test(make_module(model, tasks), make_data(tasks), trainer, None)
    assert (result.best_epoch, result.epochs) == (best, epochs)

"""Training that ends within an epoch, or at its end, continues as if it had not, whatever limits it."""

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from support.training import make_data, make_module, make_trainer

from polyhead.errors import UserError
from polyhead.freezing.schedules import Gradual
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives.weighting import DynamicAverage
from polyhead.training.callbacks.best import BestCheckpoint
from polyhead.training.callbacks.last import LastCheckpoint
from polyhead.training.callbacks.stopping import LastStageStopping
from polyhead.training.checkpoints import load_checkpoint
from polyhead.training.epochs import check_resumable, next_epoch, within_epoch
from polyhead.training.fit import fit_and_test
from polyhead.training.lr_schedule import linear_schedule

EPOCHS, STEPS = 4, 6  # steps per epoch: 48 sentences in batches of eight
METRIC = "validation/macro_f1"


class LimitSteps(Callback):
    """Ends training as max_steps does, but under the learning rates of the whole."""

    def __init__(self, steps):
        self.steps = steps

    def on_train_start(self, trainer, pl_module):
        trainer.fit_loop.epoch_loop.max_steps = self.steps


class LimitTime(Callback):
    """Ends training as max_time does, after a step."""

    def __init__(self, steps):
        self.steps = steps

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        trainer.should_stop = trainer.global_step >= self.steps


class CountBatches(Callback):
    """Counts the batches of each epoch, and notes the learning rate of each step."""

    def __init__(self):
        self.counts, self.rates = {}, []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.counts[trainer.current_epoch] = self.counts.get(trainer.current_epoch, 0) + 1

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        self.rates.append(optimizer.param_groups[0]["lr"])


def run(
    folder, make_encoder, tasks, callbacks=(), resume=None, workers=0, epochs=EPOCHS, batch_size=8, plan=(), **settings
):
    torch.manual_seed(0)
    module = make_module(MultiTaskModel(make_encoder(), tasks, dropout=0.1), tasks, *plan, weighting=rule(tasks))
    data = make_data(tasks)
    data.loader = type(data.loader)(**vars(data.loader) | {"workers": workers, "batch_size": batch_size})
    best = BestCheckpoint(folder, "best", monitor=METRIC, mode="max", save_weights_only=True)
    last = LastCheckpoint(str(folder), "last")
    patience = LastStageStopping(METRIC, mode="max", patience=9)
    trainer = make_trainer(
        folder, max_epochs=epochs, enable_checkpointing=True, callbacks=[best, last, patience, *callbacks], **settings
    )
    return module, fit_and_test(module, data, trainer, resume)


@pytest.fixture(scope="module")
def half(tmp_path_factory, make_encoder, tasks):
    """Return the last checkpoint of a run of two epochs."""
    folder = tmp_path_factory.mktemp("half")
    run(folder, make_encoder, tasks, epochs=2)
    return folder / "last.ckpt"


@pytest.mark.slow
@pytest.mark.parametrize(("batch_size", "steps"), [(4, 12), (16, 3)])
def test_epochs_after_the_end_of_one_have_all_batches_of_another_size(
    tmp_path, make_encoder, tasks, half, batch_size, steps
):
    counted = CountBatches()
    run(tmp_path / "b", make_encoder, tasks, [counted], resume=half, batch_size=batch_size)
    assert counted.counts == {2: steps, 3: steps}
    last = load_checkpoint(tmp_path / "b" / "last.ckpt")
    assert last["global_step"] == 2 * STEPS + 2 * steps
    assert not within_epoch(last)
    whole = [1e-2 * linear_schedule(step, EPOCHS * steps, 0.1) for step in range(EPOCHS * steps)]
    assert counted.rates == pytest.approx(whole[2 * steps :])  # those of a run that had such batches throughout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("batch_size", "limit", "rest"), [(16, 100, 2 * 3), (16, 17, 5), (4, 100, 2 * 12), (4, 40, 2 * 12), (4, 20, 8)]
)
def test_learning_rates_end_with_training_whichever_limit_comes_first(
    tmp_path, make_encoder, tasks, half, batch_size, limit, rest
):
    counted = CountBatches()
    options = {"resume": half, "batch_size": batch_size, "max_steps": limit}
    run(tmp_path / "b", make_encoder, tasks, [counted], **options)
    steps = min(limit, EPOCHS * 48 // batch_size)
    assert counted.rates == pytest.approx(
        [1e-2 * linear_schedule(steps - left, steps, 0.1) for left in range(rest, 0, -1)]
    )


@pytest.mark.slow
def test_schedule_of_freezing_is_refused_where_steps_end_training_and_epochs_have_others_by_now(
    tmp_path, make_encoder, tasks
):
    plan = [Gradual(groups=2, epochs=1)]
    run(tmp_path / "a", make_encoder, tasks, epochs=1, plan=plan)
    options = {"resume": tmp_path / "a" / "last.ckpt", "plan": plan, "max_steps": 20}
    with pytest.raises(UserError, match="max_steps: 20 given.* 1 so far had 6 steps and would have 12 each by now"):
        run(tmp_path / "b", make_encoder, tasks, batch_size=4, **options)
    module, _ = run(tmp_path / "c", make_encoder, tasks, **options)
    assert module.trainer.global_step == 20


@pytest.mark.slow
def test_epochs_of_some_of_the_batches_continue_bit_for_bit(tmp_path, make_encoder, tasks):
    limit = {"limit_train_batches": 4}
    module, _ = run(tmp_path / "whole", make_encoder, tasks, **limit)
    stopped, _ = run(tmp_path / "stopped", make_encoder, tasks, [LimitSteps(8)], **limit)
    assert not equal(module, stopped)
    counted = CountBatches()
    last = tmp_path / "stopped" / "last.ckpt"
    resumed, _ = run(tmp_path / "resumed", make_encoder, tasks, [counted], resume=last, **limit)
    assert counted.counts == {2: 4, 3: 4}
    assert equal(module, resumed)


def rule(tasks):
    return DynamicAverage([task.name for task in tasks], 2.0)


def equal(first, second):
    return same(first.state_dict(), second.state_dict())


def same(ours, theirs):
    return all(torch.equal(value.nan_to_num(), theirs[name].nan_to_num()) for name, value in ours.items())


@pytest.fixture(scope="module")
def whole(request, tmp_path_factory):
    """Give the run that is never stopped, made by the first test that asks for it."""
    made = []

    def make(make_encoder, tasks):
        if not made:
            made.append(run(tmp_path_factory.mktemp("whole"), make_encoder, tasks))
        return made[0]

    return make


@pytest.mark.slow
@pytest.mark.parametrize(
    ("limit", "steps", "last"),  # each value of one with each of another
    [
        (LimitSteps, 2, "epochs"),
        (LimitSteps, STEPS, "max_steps"),
        (LimitSteps, STEPS + 3, "epochs"),
        (LimitSteps, 2 * STEPS, "max_steps"),
        (LimitTime, 2, "max_steps"),
        (LimitTime, STEPS, "epochs"),
        (LimitTime, STEPS + 3, "max_steps"),
        (LimitTime, 2 * STEPS, "epochs"),
    ],
)
def test_training_that_ended_anywhere_continues_bit_for_bit(tmp_path, make_encoder, tasks, whole, limit, steps, last):
    settings = {"max_steps": EPOCHS * STEPS} if last == "max_steps" else {}
    module, result = whole(make_encoder, tasks)
    stopped, _ = run(tmp_path / "stopped", make_encoder, tasks, [limit(steps)])
    assert not equal(stopped, module)
    checkpoint = load_checkpoint(tmp_path / "stopped" / "last.ckpt")
    assert within_epoch(checkpoint) == bool(steps % STEPS)
    assert next_epoch(checkpoint) == steps // STEPS
    resumed, rest = run(
        tmp_path / "resumed", make_encoder, tasks, resume=tmp_path / "stopped" / "last.ckpt", **settings
    )
    assert equal(resumed, module)
    assert (rest.epochs, rest.best_epoch, rest.validation) == (result.epochs, result.best_epoch, result.validation)


@pytest.mark.slow
@pytest.mark.parametrize("steps", [STEPS + 3, 2 * STEPS])
def test_training_with_loader_workers_continues_bit_for_bit(tmp_path, make_encoder, tasks, whole, steps):
    module, _ = whole(make_encoder, tasks)
    run(tmp_path / "stopped", make_encoder, tasks, [LimitSteps(steps)], workers=1)
    resumed, _ = run(tmp_path / "resumed", make_encoder, tasks, resume=tmp_path / "stopped" / "last.ckpt", workers=1)
    assert equal(resumed, module)


def test_training_that_ended_before_a_validation_leaves_its_weights_as_the_best(tmp_path, make_encoder, tasks):
    module, result = run(tmp_path, make_encoder, tasks, [LimitSteps(2)])
    best = load_checkpoint(tmp_path / "best.ckpt")
    assert best["results"]["validation"] == result.validation
    assert same(module.state_dict(), best["state_dict"])


@pytest.mark.slow
def test_resuming_after_the_last_epoch_leaves_a_last_checkpoint_from_which_more_epochs_continue(
    tmp_path, make_encoder, tasks
):
    first, second, third = (tmp_path / name for name in ("first", "second", "third"))
    run(first, make_encoder, tasks, epochs=2)
    run(second, make_encoder, tasks, resume=first / "last.ckpt", epochs=2)
    run(third, make_encoder, tasks, resume=second / "last.ckpt", epochs=3)
    straight, _ = run(tmp_path / "straight", make_encoder, tasks, resume=first / "last.ckpt", epochs=3)
    again, _ = run(tmp_path / "again", make_encoder, tasks, resume=third / "last.ckpt", epochs=3)
    assert equal(straight, again)


@pytest.mark.slow
def test_a_checkpoint_of_weights_alone_and_too_few_epochs_are_refused(tmp_path, make_encoder, tasks):
    run(tmp_path, make_encoder, tasks, epochs=2)
    last, best = tmp_path / "last.ckpt", tmp_path / "best.ckpt"
    check_resumable(load_checkpoint(last), last, 2)
    check_resumable(load_checkpoint(last), last, None)
    with pytest.raises(UserError, match="trainer.max_epochs: 1 given"):
        check_resumable(load_checkpoint(last), last, 1)
    with pytest.raises(UserError, match="best.ckpt' does not hold the state of training"):
        check_resumable(load_checkpoint(best), best, 2)

import signal

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from support.training import make_data, make_module, make_trainer

from polyhead.freezing.plans import FreezeSpec
from polyhead.models.multitask import MultiTaskModel
from polyhead.training.callbacks.interruption import SaveOnInterruption
from polyhead.training.fit import fit_and_test

pytestmark = pytest.mark.slow


class Signals(Callback):
    """Sends signals to this process: in a step before its gradients, or in validation after an epoch."""

    def __init__(self, step=None, epoch=None, sign=signal.SIGINT, times=1):
        self.step, self.epoch, self.sign, self.times = step, epoch, sign, times

    def on_before_backward(self, trainer, pl_module, loss):
        if trainer.global_step == self.step:
            self._send()

    def on_validation_start(self, trainer, *_):
        if trainer.current_epoch == self.epoch:
            self._send()

    def _send(self):
        for _ in range(self.times):
            signal.raise_signal(self.sign)  # heard at once, one by one; os.kill may be heard once for two


def run(folder, make_encoder, tasks, signals=None, resume=None):
    torch.manual_seed(0)
    module = make_module(MultiTaskModel(make_encoder(), tasks, dropout=0.1), tasks, FreezeSpec([]))
    last = SaveOnInterruption(str(folder / "last.ckpt"))
    trainer = make_trainer(folder, max_epochs=3, callbacks=[last, *([signals] if signals else [])])
    outside = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        fit_and_test(module, make_data(tasks), trainer, resume)
    finally:
        after = signal.signal(signal.SIGINT, outside)
    assert after in (signal.default_int_handler, signal.SIG_IGN)  # Lightning leaves it ignored after Ctrl-C
    return module


@pytest.fixture(scope="module")
def whole(tmp_path_factory, make_encoder, tasks):
    """Return the weights of the run that is never stopped."""
    return run(tmp_path_factory.mktemp("whole"), make_encoder, tasks).state_dict()


@pytest.mark.parametrize(  # six steps an epoch
    ("step", "sign"),
    [(0, signal.SIGINT), (4, signal.SIGTERM), (5, signal.SIGINT), (5, signal.SIGTERM), (6, signal.SIGTERM)],
)
def test_interruption_finishes_the_step_and_the_rest_is_as_if_never_stopped(
    tmp_path, make_encoder, tasks, whole, step, sign
):
    with pytest.raises(SystemExit) as ended:
        run(tmp_path, make_encoder, tasks, Signals(step, sign=sign))
    assert ended.value.code == 1
    last = tmp_path / "last.ckpt"
    assert torch.load(last, weights_only=True)["global_step"] == step + 1
    resumed = run(tmp_path / "rest", make_encoder, tasks, resume=last).state_dict()
    assert all(torch.equal(value, resumed[name]) for name, value in whole.items())


@pytest.mark.parametrize("epoch", [0, 2])
def test_interruption_finishes_a_validation_and_no_epoch_follows(tmp_path, make_encoder, tasks, epoch, caplog):
    caplog.set_level("INFO")
    with pytest.raises(SystemExit):
        run(tmp_path, make_encoder, tasks, Signals(epoch=epoch))
    assert f"interrupted after step {6 * (epoch + 1)}; nothing was saved" in caplog.text  # no callback for epochs here


def test_second_interruption_ends_at_once(tmp_path, make_encoder, tasks):
    with pytest.raises(SystemExit):
        run(tmp_path, make_encoder, tasks, Signals(4, times=2))
    assert not (tmp_path / "last.ckpt").exists()

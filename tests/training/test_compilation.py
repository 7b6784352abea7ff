from types import SimpleNamespace

import pytest
import torch
from support.training import make_data, make_module, make_trainer

from polyhead.training.compilation import STEPS_THAT_PAY, CompileLongTraining
from polyhead.training.sharding import ShardedStrategy


@pytest.fixture
def compiled(monkeypatch):
    """What was compiled; a C compiler seems to be there."""
    found = []
    monkeypatch.setattr("torch.nn.Module.compile", lambda module, **options: found.append(module))
    monkeypatch.setenv("CC", "gcc")
    return found


class OneGpu:
    root_device = torch.device("cuda")


class OneProcessor:
    root_device = torch.device("cpu")


class Spread(ShardedStrategy):
    root_device = torch.device("cuda")

    def __init__(self):
        """Join no processes."""


def start(module, strategy=OneGpu, steps=STEPS_THAT_PAY, done=0):
    trainer = SimpleNamespace(strategy=strategy(), estimated_stepping_batches=steps + done, global_step=done)
    CompileLongTraining().on_train_start(trainer, module)


def test_long_training_on_a_gpu_compiles_each_layer(model, tasks, compiled):
    module = make_module(model, tasks)
    start(module)
    assert compiled == list(module.model.encoder.layers)


@pytest.mark.parametrize(
    ("strategy", "steps", "frozen", "reason"),
    [
        (OneProcessor, 10**6, (), "that pays on a GPU alone"),
        (OneGpu, STEPS_THAT_PAY - 1, (), "4,999 steps are to come, and it pays from 5,000 on"),
        (OneGpu, 10**6, ("encoder",), "no layer is trained"),
    ],
)
def test_training_for_which_compiling_does_not_pay_says_why(
    model, tasks, compiled, caplog, strategy, steps, frozen, reason
):
    with caplog.at_level("INFO", "polyhead"):
        start(make_module(model, tasks, frozen), strategy, steps, done=300)
    assert compiled == []
    assert caplog.messages == [f"compile=auto: not compiled, {reason}"]


def test_training_that_is_spread_is_not_compiled(model, tasks, compiled):
    start(make_module(model, tasks), Spread)
    assert compiled == []


def test_training_without_a_c_compiler_is_not_compiled(model, tasks, compiled, monkeypatch):
    monkeypatch.delenv("CC")
    monkeypatch.setenv("PATH", "")
    start(make_module(model, tasks))
    assert compiled == []


def test_training_asks_once_at_its_start(model, tasks, tmp_path, compiled, caplog):
    with caplog.at_level("INFO", "polyhead"):
        trainer = make_trainer(tmp_path, callbacks=[CompileLongTraining()])
        trainer.fit(make_module(model, tasks), make_data(tasks))
    assert [line for line in caplog.messages if "compile" in line] == [
        "compile=auto: not compiled, that pays on a GPU alone"
    ]

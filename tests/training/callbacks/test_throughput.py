import time

import pytest
from lightning.pytorch.callbacks import Callback
from support.training import make_data, make_module, make_trainer

from polyhead.training.callbacks.throughput import Throughput


class SlowValidation(Callback):
    def on_validation_epoch_start(self, trainer, pl_module):
        time.sleep(1)


@pytest.mark.slow
def test_throughput_counts_training_and_leaves_validation_out(tmp_path, model, tasks):
    throughput = Throughput()
    started = time.perf_counter()
    trainer = make_trainer(tmp_path, callbacks=[throughput, SlowValidation()], val_check_interval=3)
    trainer.fit(make_module(model, tasks), make_data(tasks))
    assert throughput.sentences == 2 * 48
    assert 0 < throughput.seconds < time.perf_counter() - started - 4  # four validations of a second
    assert throughput.sentences_per_second == throughput.sentences / throughput.seconds


def test_throughput_has_no_rate_before_training():
    assert Throughput().sentences_per_second is None

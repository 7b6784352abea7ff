import pytest
from support.training import make_data, make_module, make_trainer

from polyhead.freezing.plans import FreezeSpec
from polyhead.freezing.schedules import ProbeThenFineTune
from polyhead.training.callbacks.stopping import LastStageStopping


def epochs(tmp_path, model, tasks, plan):
    stopping = LastStageStopping(monitor="validation/macro_f1", mode="max", patience=1, min_delta=2.0)  # never better
    trainer = make_trainer(tmp_path, max_epochs=8, callbacks=[stopping])
    trainer.fit(make_module(model, tasks, plan), make_data(tasks, train=8))
    return trainer.current_epoch


def test_stopping_without_stages_is_early_stopping(tmp_path, model, tasks):
    assert epochs(tmp_path, model, tasks, FreezeSpec([])) == 2


@pytest.mark.slow
def test_stopping_begins_its_patience_with_the_last_stage(tmp_path, model, tasks):
    assert epochs(tmp_path, model, tasks, ProbeThenFineTune(probe_epochs=4, lr_scale=1.0)) == 6

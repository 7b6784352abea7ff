import re

from lightning.pytorch.callbacks import LearningRateMonitor
from lightning.pytorch.loggers import TensorBoardLogger
from support.training import make_data, make_module, make_trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.hparams.backend_context import Context

from polyhead.training.callbacks.gradients import GradientNorms
from polyhead.training.callbacks.pictures import ConfusionMatrices, ReliabilityDiagrams
from polyhead.training.tensorboard import layout, log_choices, log_layout, log_outcome


def events(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0})
    return accumulator.Reload()


def test_what_tensorboard_is_given(tmp_path, model, tasks):
    logger = TensorBoardLogger(tmp_path, name="", version="", default_hp_metric=False)
    trainer = make_trainer(tmp_path, logger=logger, callbacks=[ConfusionMatrices(), ReliabilityDiagrams()])
    module, data = make_module(model, tasks), make_data(tasks)
    log_choices(trainer, {"freeze": "none", "seed": 0})
    trainer.fit(module, data)
    trainer.test(module, data, verbose=False)
    log_outcome(trainer, {"freeze": "none", "seed": 0}, {"test/macro_f1": 0.5})
    shown = events(tmp_path).Tags()
    assert {
        f"{split}/{task.name}/{kind}"
        for split in ("validation", "test")
        for task in tasks
        for kind in ("confusion", "reliability")
    } <= set(shown["images"])
    scalars = {
        "train/category/loss",
        "train/loss",
        "weights/sentiment",
        "validation/macro_f1",
        "test/category/accuracy",
    }
    assert scalars <= set(shown["scalars"])
    outcome = events(tmp_path / "outcome")
    assert outcome.PluginTagToContent("hparams").keys() == {
        "_hparams_/session_start_info",
        "_hparams_/session_end_info",
    }
    assert outcome.Tags()["scalars"] == ["final/test/macro_f1"]
    assert "seed: 0" in (tmp_path / "hparams.yaml").read_text()


def test_columns_are_those_of_all_runs_whatever_ran_first(tmp_path):
    runs = {"a": {"freeze": "none"}, "b": {"freeze": "lower", "count": 4}, "c": {"rate": 0.1}}
    for name, choices in runs.items():
        logger = TensorBoardLogger(tmp_path / name, name="", version="", default_hp_metric=False)
        log_outcome(make_trainer(tmp_path, logger=logger), choices, {"test/macro_f1": 0.5})
    contents = {name: events(tmp_path / name / "outcome").PluginTagToContent("hparams") for name in runs}
    columns = Context(None)._compute_hparam_infos(contents)
    assert {info.name for info in columns} == {"freeze", "count", "rate"}
    assert Context(None)._find_experiment_tag(contents, include_metrics=True) is None


def test_the_layout_puts_tasks_side_by_side_and_its_lines_are_logged(tmp_path, model, tasks):
    logger = TensorBoardLogger(tmp_path, name="", version="", default_hp_metric=False)
    trainer = make_trainer(tmp_path, logger=logger, callbacks=[GradientNorms(every_n_steps=1), LearningRateMonitor()])
    names = [task.name for task in tasks]
    log_layout(trainer, names)
    trainer.fit(make_module(model, tasks), make_data(tasks), weights_only=True)
    logged = events(tmp_path).Tags()["scalars"]
    for category, charts in layout(names).items():
        for title, (_, patterns) in charts.items():
            if not title.startswith("conflict"):
                assert all(any(re.match(p, name) for name in logged) for p in patterns), (category, title)
    assert "custom_scalars__config__" in events(tmp_path).PluginTagToContent("custom_scalars")

"""TensorBoard shows the run's own numbers: every chart is compared with the metrics that it stands for."""

import io
import re

import matplotlib.image
import numpy as np
import pytest
import torch
import yaml
from lightning.pytorch.callbacks import Callback, LearningRateMonitor
from lightning.pytorch.loggers import TensorBoardLogger
from matplotlib.backends.backend_agg import FigureCanvasAgg
from support.models import FAMILIES
from support.training import OPTIMIZATION, make_data, make_module, make_trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.plugins.custom_scalar import layout_pb2
from tensorboard.plugins.hparams import plugin_data_pb2
from tensorboard.plugins.hparams.backend_context import Context
from transformers import AutoConfig, AutoModel

from polyhead.models.encoder import Encoder
from polyhead.models.multitask import MultiTaskModel
from polyhead.storage.markdown import markdown_table
from polyhead.tasks import Task
from polyhead.training.callbacks.gradients import GradientNorms
from polyhead.training.callbacks.pictures import ConfusionMatrices, ReliabilityDiagrams
from polyhead.training.loggers import log_table
from polyhead.training.metrics import scalars
from polyhead.training.plan_table import plan_table
from polyhead.training.tensorboard import layout, log_final_metrics, log_hparams, log_layout

TASKS = (Task("category", ("Quote", "Riddle", "News")), Task("sentiment", ("Positive", "Negative")))
NAMES = ("category", "sentiment")


class History(Callback):
    """Keeps the results of every validation, the loss of every step, and the norm of a head's gradients."""

    def __init__(self):
        self.validation, self.losses, self.head_norms = [], [], []

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.losses.append(outputs["loss"].item())

    def on_before_optimizer_step(self, trainer, pl_module, optimizer):
        gradients = [p.grad for p in pl_module.model.heads["category"].parameters()]
        self.head_norms.append(torch.cat([gradient.flatten() for gradient in gradients]).norm().item())

    def on_validation_end(self, trainer, pl_module):
        self.validation.append(pl_module.results["validation"])


def events(folder):
    accumulator = EventAccumulator(str(folder), size_guidance={"images": 0, "scalars": 0, "tensors": 0})
    return accumulator.Reload()


def values(shown, name):
    return [event.value for event in shown.Scalars(name)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """Train for two epochs of six steps and test, and return the history, the module and what TensorBoard has."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("run")
    transformer = AutoModel.from_config(AutoConfig.for_model("bert", **FAMILIES["bert"]))
    model = MultiTaskModel(Encoder(transformer, "mean"), TASKS, dropout=0.1)
    logger = TensorBoardLogger(folder, name="", version="", default_hp_metric=False)
    history = History()
    callbacks = [ConfusionMatrices(), ReliabilityDiagrams(), GradientNorms(every_n_steps=1), LearningRateMonitor()]
    trainer = make_trainer(folder, logger=logger, callbacks=[*callbacks, history])
    module, data = make_module(model, TASKS), make_data(TASKS, unlabelled={"sentiment": 3})
    log_layout(trainer, NAMES)
    plan = plan_table(model, module.stages, OPTIMIZATION, 2)
    log_table(trainer, "freezing plan", plan.titles, plan.rows)
    trainer.fit(module, data, weights_only=True)
    trainer.test(module, data, verbose=False)
    logger.finalize("success")
    return history, module, events(folder)


@pytest.mark.slow
def test_curves_of_each_epoch_are_the_metrics(run):
    history, module, shown = run
    assert len(history.validation) == 2
    for name, expected in scalars("validation", history.validation[-1]).items():
        assert len(values(shown, name)) == 2
        assert values(shown, name)[-1] == pytest.approx(expected)
    for name, expected in scalars("validation", history.validation[0]).items():
        assert values(shown, name)[0] == pytest.approx(expected)
    training = scalars("train", module.results["training"])
    for name, expected in training.items():
        if not name.endswith("/loss"):
            assert values(shown, name)[-1] == pytest.approx(expected)
    for name, expected in scalars("test", module.results["test"]).items():
        assert values(shown, name) == [pytest.approx(expected)]


@pytest.mark.slow
def test_curves_of_each_step_are_its_losses_weights_and_norms(run):
    history, _, shown = run
    assert values(shown, "train/loss") == pytest.approx(history.losses)
    by_task = [values(shown, f"train/{task}/loss") for task in NAMES]
    assert np.sum(by_task, axis=0) == pytest.approx(history.losses, rel=1e-5)
    assert [event.step for event in shown.Scalars("train/loss")] == list(range(12))
    for task in NAMES:
        assert values(shown, f"weights/{task}") == [1.0] * 12
    assert values(shown, "gradients/heads.category") == pytest.approx(history.head_norms, rel=1e-5)


@pytest.mark.slow
def test_pictures_are_drawn_of_each_validation_and_of_the_test(run):
    _, module, shown = run
    for task in NAMES:
        for kind, callback in (("confusion", ConfusionMatrices()), ("reliability", ReliabilityDiagrams())):
            assert len(shown.Images(f"validation/{task}/{kind}")) == 2
            (picture,) = shown.Images(f"test/{task}/{kind}")
            figure = callback.figure(task, module.results["test"][task])
            assert np.array_equal(pixels(picture.encoded_image_string), drawn(figure))


def pixels(png):
    return (matplotlib.image.imread(io.BytesIO(png), format="png")[..., :3] * 255).round().astype(np.uint8)


def drawn(figure):
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3]


def test_plan_is_shown_as_its_table(run):
    _, module, shown = run
    (event,) = shown.Tensors("freezing plan/text_summary")
    text = event.tensor_proto.string_val[0].decode()
    plan = plan_table(module.model, module.stages, OPTIMIZATION, 2)
    assert text == markdown_table(plan.titles, plan.rows)
    assert re.search(r"^\| encoder\.layers\[0\] +\|", text, flags=re.MULTILINE)


def test_layout_draws_for_each_task_the_scalars_that_are_logged(run):
    _, _, shown = run
    logged = shown.Tags()["scalars"]
    charts = layout(NAMES)["Tasks side by side"]
    matched = {
        title: [[name for name in logged if re.search(pattern, name)] for pattern in patterns]
        for title, (_, patterns) in charts.items()
    }
    assert matched == {
        "macro-F1 on validation": [[f"validation/{task}/macro_f1"] for task in NAMES],
        "macro-F1 on training batches": [[f"train/{task}/macro_f1"] for task in NAMES],
        "loss on validation (nats)": [[f"validation/{task}/loss"] for task in NAMES],
        "loss on training batches (nats)": [[f"train/{task}/loss"] for task in NAMES],
        "weight": [[f"weights/{task}"] for task in NAMES],
    }
    found = {
        title: [name for name in logged if re.search(pattern, name)]
        for title, (_, (pattern,)) in layout(NAMES)["Optimization"].items()
    }
    assert len(found["learning rate by group"]) == 6  # weights and biases of the encoder and of both heads
    assert len(found["gradient norm by module"]) == 6  # the embeddings, three layers, two heads
    assert found["conflict of the tasks' gradients"] == []  # nobody watches it in this run


def test_layout_matches_the_conflict_curves_and_takes_names_as_they_are():
    assert re.search(layout(NAMES)["Optimization"]["conflict of the tasks' gradients"][1][0], "conflict/a-b/cosine")
    ((pattern,),) = [layout(["a.b"])["Tasks side by side"]["weight"][1]]
    assert re.search(pattern, "weights/a.b")
    assert not re.search(pattern, "weights/a-b")


def test_layout_is_what_tensorboard_is_given(run):
    _, _, shown = run
    content = shown.Tensors("custom_scalars__config__")[0].tensor_proto.string_val[0]
    given = layout_pb2.Layout.FromString(content)
    charts = {
        category.title: {chart.title: ["Multiline", list(chart.multiline.tag)] for chart in category.chart}
        for category in given.category
    }
    assert charts == layout(NAMES)


def test_hparams_are_given_to_every_logger(tmp_path):
    logger = TensorBoardLogger(tmp_path, name="", version="", default_hp_metric=False)
    log_hparams(make_trainer(tmp_path, logger=logger), {"freeze": "none", "seed": 0})
    logger.save()
    assert yaml.safe_load((tmp_path / "hparams.yaml").read_text()) == {"freeze": "none", "seed": 0}


def log_final(folder, hparams, metrics):
    logger = TensorBoardLogger(folder, name="", version="", default_hp_metric=False)
    log_final_metrics(make_trainer(folder, logger=logger), hparams, metrics)
    return events(folder)


def test_final_metrics_stand_beside_the_hparams_that_gave_them(tmp_path):
    metrics = {"test/macro_f1": 0.5, "validation/macro_f1": 0.25}
    shown = log_final(tmp_path, {"freeze": "none", "rate": 0.5}, metrics)
    assert {name: values(shown, name) for name in shown.Tags()["scalars"]} == {
        "Final/test/macro_f1": [0.5],
        "Final/validation/macro_f1": [0.25],
    }
    contents = shown.PluginTagToContent("hparams")
    assert contents.keys() == {"_hparams_/session_start_info", "_hparams_/session_end_info"}
    started = plugin_data_pb2.HParamsPluginData.FromString(contents["_hparams_/session_start_info"])
    given = started.session_start_info.hparams
    assert given["freeze"].string_value == "none"
    assert given["rate"].number_value == 0.5


def test_columns_of_hparams_are_those_of_all_runs_whatever_ran_first(tmp_path):
    runs = {"a": {"freeze": "none"}, "b": {"freeze": "lower", "count": 4}, "c": {"rate": 0.1}}
    contents = {}
    for name, hparams in runs.items():
        contents[name] = log_final(tmp_path / name, hparams, {"test/macro_f1": 0.5}).PluginTagToContent("hparams")
    columns = Context(None)._compute_hparam_infos(contents)
    assert {info.name for info in columns} == {"freeze", "count", "rate"}
    assert Context(None)._find_experiment_tag(contents, include_metrics=True) is None


def test_nothing_is_written_without_tensorboard(tmp_path):
    log_layout(make_trainer(tmp_path), "text")
    log_table(make_trainer(tmp_path), "name", ["column"], [["cell"]])
    log_final_metrics(make_trainer(tmp_path), {"odd": object()}, {})
    assert list(tmp_path.iterdir()) == []

import csv

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from support.training import make_data, make_module, make_trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util
from torch.utils.tensorboard import SummaryWriter

from polyhead.tasks import MISSING
from polyhead.training.callbacks.gallery import TestGallery


def run_test(folder, model, tasks, sentences=10, **settings):
    logger = TensorBoardLogger(folder, name="", version="", default_hp_metric=False)
    trainer = make_trainer(folder, logger=logger, callbacks=[TestGallery(sentences)], **settings)
    module, data = make_module(model, tasks), make_data(tasks, unlabelled={"sentiment": 3})
    trainer.test(module, data, verbose=False)
    logger.finalize("success")
    return module.eval(), data


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_embeddings_stand_beside_their_sentences_labels_and_errors(tmp_path, model, tasks, precision):
    module, data = run_test(tmp_path, model, tasks, precision=precision)
    (folder,) = tmp_path.glob("*/test")
    vectors = np.loadtxt(folder / "tensors.tsv", delimiter="\t")
    with (folder / "metadata.tsv").open(newline="") as file:
        lines = list(csv.DictReader(file, delimiter="\t"))
    assert vectors.shape == (10, 16)
    assert len(lines) == 10
    split = data.split("test")
    texts = {data.tokenizer.decode(split[[row]].input_ids[0], skip_special_tokens=True): row for row in range(24)}
    for vector, line in zip(vectors, lines, strict=True):
        batch = split[[texts[line["sentence"]]]]
        with torch.inference_mode():
            expected, logits = module.model.embed(batch)[0], module.model(batch)["category"][0]
        np.testing.assert_allclose(vector, expected.numpy(), atol=0.05 if "bf16" in precision else 1e-5)
        label = tasks[0].labels[batch.labels["category"].item()]
        assert line["category"] == label
        if precision == "32-true":
            assert line["category right"] == ("right" if tasks[0].labels[logits.argmax()] == label else "wrong")
    assert {line["sentiment right"] for line in lines} >= {"unlabelled"}


def test_precision_recall_curves_are_of_the_models_probabilities(tmp_path, model, tasks, monkeypatch):
    drawn = {}

    def draw(self, tag, labels, predictions, global_step):
        drawn[tag] = (labels, predictions)

    monkeypatch.setattr(SummaryWriter, "add_pr_curve", draw)
    module, data = run_test(tmp_path, model, tasks)
    split = data.split("test")
    assert set(drawn) == {f"test/{task.name}/{label}" for task in tasks for label in task.labels}
    with torch.inference_mode():
        logits = module.model(split[list(range(len(split)))])
    for task in tasks:
        labels = torch.from_numpy(split.labels[task.name])
        known = labels != MISSING
        for index, label in enumerate(task.labels):
            truth, probabilities = drawn[f"test/{task.name}/{label}"]
            # The rows come in the order of the batches: sorted they are those of the split.
            expected = sorted(
                zip(logits[task.name].softmax(1)[known, index].tolist(), (labels[known] == index).tolist(), strict=True)
            )
            shown = sorted(zip(probabilities.tolist(), truth.tolist(), strict=True))
            assert [row[1] for row in shown] == [row[1] for row in expected]
            assert [row[0] for row in shown] == pytest.approx([row[0] for row in expected], abs=1e-5)


def test_precision_recall_curves_reach_tensorboard(tmp_path, model, tasks):
    run_test(tmp_path, model, tasks)
    events = EventAccumulator(str(tmp_path)).Reload()
    for task in tasks:
        for label in task.labels:
            (event,) = events.Tensors(f"test/{task.name}/{label}")
            hits, false_hits = tensor_util.make_ndarray(event.tensor_proto)[:2, 0]  # at threshold 0
            assert hits + false_hits == (16 if task.name == "sentiment" else 24)  # every third has no sentiment


def test_embeddings_are_not_kept_where_none_are_asked_for(tmp_path, model, tasks):
    run_test(tmp_path, model, tasks, sentences=0)
    assert not list(tmp_path.glob("*.pbtxt"))


def test_gallery_leaves_nothing_hooked_to_the_model(tmp_path, model, tasks):
    module, _ = run_test(tmp_path, model, tasks)
    assert all(not head._forward_pre_hooks for head in module.model.heads.values())


def test_gallery_shows_the_first_test_set_alone(tmp_path, model, tasks):
    logger = TensorBoardLogger(tmp_path, name="", version="", default_hp_metric=False)
    trainer = make_trainer(tmp_path, logger=logger, callbacks=[TestGallery(10)])
    module, data = make_module(model, tasks), make_data(tasks)
    trainer.validate(module, data, verbose=False)
    with module.evaluating("news"):
        trainer.test(module, data.evaluation_loader("test"), verbose=False)
    assert not list(tmp_path.glob("*/test"))
    assert "pr_curves" not in EventAccumulator(str(tmp_path)).Reload().summary_metadata

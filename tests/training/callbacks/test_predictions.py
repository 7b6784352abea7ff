import numpy as np
import torch
from support.training import make_data, make_module, make_trainer

from polyhead.tasks import MISSING
from polyhead.training.callbacks.predictions import PredictionRecorder


def predictions_of(tmp_path, model, tasks, **settings):
    noted = PredictionRecorder()
    module, data = make_module(model, tasks), make_data(tasks, unlabelled={"sentiment": 3})
    make_trainer(tmp_path, callbacks=[noted], **settings).test(module, data, verbose=False)
    return noted, module, data


def test_recorder_keeps_classes_and_labels_in_the_order_of_the_sentences(tmp_path, model, tasks):
    noted, module, data = predictions_of(tmp_path, model, tasks)
    split = data.split("test")
    module.eval()
    with torch.inference_mode():
        for row in range(len(split)):
            for task, logits in module.model(split[[row]]).items():
                assert noted.predicted["test"][task][row] == logits.argmax().item()
    for task in ("category", "sentiment"):
        np.testing.assert_array_equal(noted.labels["test"][task], split.labels[task])
    assert (noted.labels["test"]["sentiment"] == MISSING).sum() == 8


def test_recorded_predictions_give_the_reported_confusion_matrix(tmp_path, model, tasks):
    noted, module, _ = predictions_of(tmp_path, model, tasks)
    for task, metrics in module.results["test"].items():
        label, predicted = noted.labels["test"][task], noted.predicted["test"][task]
        counts = np.zeros_like(metrics["confusion"])
        np.add.at(counts, (label[label >= 0], predicted[label >= 0]), 1)
        np.testing.assert_array_equal(counts, metrics["confusion"])


def test_recorder_has_missing_for_what_was_left_out_of_the_test(tmp_path, model, tasks):
    noted, _, _ = predictions_of(tmp_path, model, tasks, limit_test_batches=1)
    assert (noted.predicted["test"]["category"] != MISSING).sum() == 16  # one batch


def test_recorder_keeps_each_test_set_under_its_name(tmp_path, model, tasks):
    recorder = PredictionRecorder()
    module, data = make_module(model, tasks), make_data(tasks)
    trainer = make_trainer(tmp_path, callbacks=[recorder])
    for name, split in (("test", "test"), ("news", "validation")):
        with module.evaluating(name):
            trainer.test(module, data.evaluation_loader(split), verbose=False)
    for name, split in (("test", "test"), ("news", "validation")):
        for task in ("category", "sentiment"):
            np.testing.assert_array_equal(recorder.labels[name][task], data.split(split).labels[task])
    assert list(recorder.labels) == list(recorder.predicted) == ["test", "news"]
    assert recorder.labels["test"]["category"].dtype == recorder.predicted["news"]["sentiment"].dtype == np.int16

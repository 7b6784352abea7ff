import numpy as np
import pytest
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from support.training import make_data, make_module, make_trainer

from polyhead.training.callbacks.pictures import (
    ConfusionMatrices,
    confused_pairs,
    confusion_figure,
    reliability_figure,
)


def test_confusion_matrix_shows_every_count_and_label():
    figure = confusion_figure([[5, 1], [0, 7]], ["cat", "dog"], title="pets")
    (axes,) = figure.axes
    assert [text.get_text() for text in axes.texts] == ["5", "1", "0", "7"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["cat", "dog"]
    np.testing.assert_allclose(axes.images[0].get_array(), [[5 / 6, 1 / 6], [0, 1]])


def test_confusion_matrix_draws_a_class_without_rows():
    (axes,) = confusion_figure([[0, 0], [1, 1]], ["a", "b"], title="t").axes
    assert np.isfinite(axes.images[0].get_array()).all()


def test_reliability_diagram_shows_every_filled_bin_before_and_after():
    bins = {"rows": [0, 3, 1], "confidence": [0.0, 0.5, 0.9], "accuracy": [0.0, 0.4, 1.0]}
    metrics = {
        "ece": 0.1,
        "ece_scaled": 0.05,
        "temperature": 1.5,
        "reliability": {"before": bins, "after": bins},
    }
    (axes,) = reliability_figure(metrics, "tone").axes
    _, before, after = axes.lines
    assert before.get_xydata().tolist() == after.get_xydata().tolist() == [[0.5, 0.4], [0.9, 1.0]]
    assert "error 0.100" in before.get_label()
    assert "temperature 1.50, error 0.050" in after.get_label()


@pytest.mark.slow
@pytest.mark.parametrize("classes", [77, 500])
def test_confusion_matrix_of_many_classes_has_names_on_1600_pixels(classes):
    counts = np.eye(classes, dtype=int) * 5
    counts[40, 3] = 2
    figure = confusion_figure(counts.tolist(), [f"intent {i}" for i in range(classes)], title="intent")
    assert max(figure.get_size_inches()) * figure.dpi <= 1600
    (axes,) = figure.axes
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert len(names) == min(classes, 100)
    assert {"intent 3", "intent 40"} <= set(names)
    assert not axes.texts


def test_confused_pairs_are_listed_from_the_most_on():
    rows = confused_pairs([[5, 1, 0], [3, 1, 0], [0, 0, 4]], ["a", "b", "c"])
    assert rows == [["b", "a", "3", "75%"], ["a", "b", "1", "17%"]]
    assert confused_pairs([[1, 0], [0, 1]], ["a", "b"]) == []


@pytest.mark.parametrize(("logger", "drawn"), [(TensorBoardLogger, True), (CSVLogger, False)])
def test_pictures_are_drawn_for_loggers_that_take_them(tmp_path, model, tasks, monkeypatch, logger, drawn):
    asked = []
    draw = ConfusionMatrices.figure
    monkeypatch.setattr(ConfusionMatrices, "figure", lambda *given: asked.append(given[1]) or draw(*given))
    trainer = make_trainer(tmp_path, logger=logger(tmp_path), callbacks=[ConfusionMatrices()])
    trainer.validate(make_module(model, tasks), make_data(tasks), verbose=False)
    assert asked == ([task.name for task in tasks] if drawn else [])

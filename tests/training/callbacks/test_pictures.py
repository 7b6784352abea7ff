import numpy as np

from polyhead.training.callbacks.pictures import confusion_figure, reliability_figure


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


def test_confusion_matrix_of_many_classes_is_no_larger_than_can_be_drawn():
    many = confusion_figure([[0] * 500] * 500, [str(i) for i in range(500)], title="intent")
    assert max(many.get_size_inches()) < 50
    assert not many.axes[0].texts

import subprocess
import sys

import numpy as np
import pytest
import torch
from support.bundles import MAX_LENGTH, make_bundle, texts

import polyhead
from polyhead.deployment.predictor import Predictor, softmax
from polyhead.errors import UserError


@pytest.fixture
def folder(tmp_path, model, tasks):
    return make_bundle(tmp_path / "bundle", model, tasks, sentiment=2.0)


@pytest.fixture
def predictor(folder):
    return Predictor.load(folder, precision="32-true", device="cpu")


def reference(model, predictor, text):
    """Embedding and logits of one text, by the model as it was trained."""
    ids = predictor.runner.tokenizer(text, truncation=True, max_length=MAX_LENGTH)["input_ids"]
    with torch.inference_mode():
        embedding = model.eval().encoder(torch.tensor([ids]))
        return embedding[0], {name: logits[0] for name, logits in model.classify(embedding).items()}


@pytest.mark.parametrize("count", [1, 2, 33, 100])
def test_each_text_gets_its_own_answer_in_order(model, predictor, tasks, count):
    predictions = predictor.predict(texts(count))
    assert len(predictions) == count
    for row, text in enumerate(texts(count)):
        embedding, logits = reference(model, predictor, text)
        expected = {"category": logits["category"].softmax(0), "sentiment": (logits["sentiment"] / 2).softmax(0)}
        found = predictions[row]
        np.testing.assert_allclose(found.embedding, embedding, atol=1e-5)
        for task in tasks:
            assert list(found.probabilities[task.name]) == list(task.labels)
            shares = list(found.probabilities[task.name].values())
            np.testing.assert_allclose(shares, expected[task.name], atol=1e-5)
            assert found.labels[task.name] == task.labels[int(np.argmax(shares))]


def test_rows_and_columns_say_the_same(predictor, tasks):
    predictions = predictor.predict(texts(30))
    for task in tasks:
        assert predictions.labels(task.name) == [row.labels[task.name] for row in predictions]
    np.testing.assert_allclose([sum(row.probabilities["category"].values()) for row in predictions], 1, atol=1e-6)


@pytest.mark.parametrize("chunk", [1, 7, None])
def test_a_stream_gives_what_a_list_gives(predictor, chunk):
    whole = predictor.predict(texts(20))
    parts = list(predictor.stream(iter(texts(20)), chunk))
    assert [len(part) for part in parts] == (
        [20] if chunk is None else [*[chunk] * (20 // chunk), 20 % chunk][: len(parts)]
    )
    np.testing.assert_allclose(np.concatenate([p.embeddings for p in parts]), whole.embeddings, atol=1e-5)


def test_no_texts_give_no_predictions(predictor):
    predictions = predictor.predict([])
    assert len(predictions) == 0
    assert predictions.labels("category") == []


@pytest.mark.parametrize("given", ["w1 w2", b"w1", None, 5])
def test_anything_else_in_place_of_a_list_is_refused(predictor, given):
    with pytest.raises(UserError, match=f"{given!r} given; give a list of texts"):
        predictor.predict(given)


def test_what_is_cut_is_counted(predictor):
    predictor.predict(texts(40))
    assert predictor.truncated == sum(len(text.split()) > MAX_LENGTH - 2 for text in texts(40))


def test_half_precision_is_close(folder, predictor):
    half = Predictor.load(folder, precision="bf16-true", device="cpu").predict(texts(40))
    whole = predictor.predict(texts(40))
    assert 0 < np.abs(half.probabilities["category"] - whole.probabilities["category"]).max() < 0.05


def test_softmax_stands_large_logits():
    np.testing.assert_allclose(
        softmax(np.array([[1000.0, 1000.0], [-1e4, 1e4]], dtype=np.float32)), [[0.5, 0.5], [0, 1]]
    )


def test_the_package_gives_it_without_importing_it_first():
    assert polyhead.Predictor is Predictor
    with pytest.raises(AttributeError, match="Predictr"):
        polyhead.Predictr  # noqa: B018


@pytest.mark.slow
def test_it_needs_neither_lightning_nor_hydra(folder):
    code = (
        "import sys, polyhead\n"
        "assert 'torch' not in sys.modules\n"
        f"polyhead.Predictor.load({str(folder)!r}).predict(['w1'])\n"
        "print(sorted({'lightning', 'hydra', 'omegaconf', 'sentence_transformers'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout == "[]\n", done.stderr

import copy
import pickle
import subprocess
import sys

import numpy as np
import pytest
import torch
from support.bundles import MAX_LENGTH, add_scores, made_up_scores, make_bundle, manifest_of, texts
from support.fakes import word_tokenizer

import polyhead
from polyhead.deployment.bundle.folder import Bundle
from polyhead.deployment.bundle.manifest import seal
from polyhead.deployment.predictions import Predictions
from polyhead.deployment.predictor import Predictor
from polyhead.errors import ParameterError, UserError
from polyhead.tasks import Task
from polyhead.tasks.single_label import softmax

SHARES = np.array([[0.125, 0.5, 0.375], [0.25, 0.25, 0.5], [0.5, 0.5, 0.0]], dtype=np.float32)


@pytest.fixture
def folder(tmp_path, model, tasks):
    return make_bundle(tmp_path / "bundle", model, tasks, sentiment=2.0)


@pytest.fixture
def predictor(folder):
    return Predictor.load(folder, precision="32-true", device="cpu")


@pytest.fixture
def predictions():
    embeddings = np.arange(6, dtype=np.float32).reshape(3, 2)
    return Predictions((Task("kind", ("a", "b", "c")),), {"kind": SHARES}, embeddings)


def reference(model, text):
    """Embedding and logits of one text, by the model as it was trained."""
    ids = word_tokenizer()(text, truncation=True, max_length=MAX_LENGTH)["input_ids"]
    with torch.inference_mode():
        embedding = model.eval().encoder(torch.tensor([ids]))
        return embedding[0], {name: logits[0] for name, logits in model.classify(embedding).items()}


@pytest.mark.parametrize("count", [1, 2, 33, 100])
def test_predictor_gives_each_text_what_the_model_gives_it_alone(model, predictor, tasks, count):
    predictions = predictor.predict(texts(count))
    assert len(predictions) == count
    for row, text in enumerate(texts(count)):
        embedding, logits = reference(model, text)
        expected = {"category": logits["category"].softmax(0), "sentiment": (logits["sentiment"] / 2).softmax(0)}
        found = predictions[row]
        np.testing.assert_allclose(found.embedding, embedding, atol=1e-5)
        for task in tasks:
            assert list(found.probabilities[task.name]) == list(task.labels)
            shares = list(found.probabilities[task.name].values())
            np.testing.assert_allclose(shares, expected[task.name], atol=1e-5)
            assert found.labels[task.name] == task.labels[int(expected[task.name].argmax())]


def test_predictor_gives_the_embeddings_of_sentence_transformers(folder, predictor):
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(folder), device="cpu").encode(texts(40))
    np.testing.assert_allclose(predictor.predict(texts(40)).embeddings, theirs, atol=1e-5)


def test_predictions_are_read_by_row_and_by_column(predictions):
    assert predictions.labels("kind") == ["b", "c", "a"]  # of two that are equally probable, the first
    assert [row.labels["kind"] for row in predictions] == ["b", "c", "a"]
    assert predictions[1].probabilities == {"kind": {"a": 0.25, "b": 0.25, "c": 0.5}}
    assert predictions[-1].embedding.tolist() == [4, 5]
    with pytest.raises(KeyError):
        predictions.labels("other")


def test_predictions_can_be_sliced(predictions):
    part = predictions[1:]
    assert isinstance(part, Predictions)
    assert len(part) == 2
    assert part.labels("kind") == ["c", "a"]
    assert part.embeddings.tolist() == [[2, 3], [4, 5]]
    assert part.probabilities["kind"].tolist() == SHARES[1:].tolist()


@pytest.mark.parametrize(("chunk", "sizes"), [(1, [1] * 20), (7, [7, 7, 6]), (None, [20])])
def test_predictor_streams_what_it_predicts_of_a_list(predictor, chunk, sizes):
    whole = predictor.predict(texts(20))
    parts = list(predictor.stream(iter(texts(20)), chunk))
    assert [len(part) for part in parts] == sizes
    np.testing.assert_allclose(np.concatenate([part.embeddings for part in parts]), whole.embeddings, atol=1e-5)
    for task, shares in whole.probabilities.items():
        found = np.concatenate([part.probabilities[task] for part in parts])
        np.testing.assert_allclose(found, shares, atol=1e-5)


def test_predictor_takes_no_more_of_a_stream_than_the_chunk_asked_for(predictor):
    taken = []
    stream = predictor.stream((taken.append(text) or text for text in texts(20)), 5)
    next(stream)
    assert taken == texts(5)


def test_predictor_gives_no_predictions_for_no_texts(predictor):
    predictions = predictor.predict([])
    assert len(predictions) == 0
    assert predictions.labels("category") == []
    assert predictions.embeddings.shape == (0, 16)
    assert {task: shares.shape for task, shares in predictions.probabilities.items()} == {
        "category": (0, 3),
        "sentiment": (0, 2),
    }


@pytest.mark.parametrize("method", ["predict", "stream"])
@pytest.mark.parametrize("given", ["w1 w2", b"w1", None, 5])
def test_predictor_refuses_anything_but_many_texts(predictor, method, given):
    with pytest.raises(ParameterError, match=f"^texts: {given!r} given; it must be a list of texts$"):
        getattr(predictor, method)(given)


def test_predictor_refuses_an_entry_that_is_no_text(predictor):
    with pytest.raises(UserError, match=r"texts: 5 at position 1 \(counted from 0\)"):
        predictor.predict(["w1", 5])


@pytest.mark.parametrize("move", [pickle.dumps, copy.copy, copy.deepcopy])
def test_predictor_says_that_it_cannot_be_sent_elsewhere(predictor, move):
    with pytest.raises(TypeError, match="a predictor cannot be pickled or copied; load it where it computes"):
        move(predictor)


@pytest.mark.parametrize("chunk", [0, -1])
def test_predictor_refuses_a_chunk_below_one(predictor, chunk):
    with pytest.raises(ParameterError, match=f"^chunk: {chunk} given; it must be 1 or more, or None$"):
        predictor.stream(["w1"], chunk)


def test_predictor_refuses_a_backend_that_does_not_fit_the_tasks(folder):
    class Narrow:
        width, streams, device = 5, 1, torch.device("cpu")  # as wide as the logits of both tasks, with no embedding

    with pytest.raises(UserError, match=r"its graph does not fit its tasks\.json; export the bundle again"):
        Predictor(Bundle.open(folder), Narrow())


def test_predictor_counts_the_texts_that_it_cuts(predictor):
    predictor.predict(texts(40))
    assert predictor.truncated == sum(len(text.split()) > MAX_LENGTH - 2 for text in texts(40)) == 8


def test_predictor_computes_in_half_precision_where_it_is_asked_to(folder, model):
    half = Predictor.load(folder, precision="bf16-true", device="cpu")
    found = half.predict(texts(40)).embeddings
    dtypes = {parameter.dtype for parameter in half.runner.network.encoder.parameters()}
    assert dtypes == {torch.bfloat16}
    expected = torch.stack([reference(model, text)[0] for text in texts(40)])
    assert torch.cosine_similarity(torch.from_numpy(found), expected).min() > 0.999
    assert not np.allclose(found, expected, atol=1e-5)


def test_softmax_stands_large_logits():
    np.testing.assert_allclose(
        softmax(np.array([[1000.0, 1000.0], [-1e4, 1e4]], dtype=np.float32)), [[0.5, 0.5], [0, 1]]
    )


def test_softmax_equals_torch():
    logits = torch.randn(20, 4)
    np.testing.assert_allclose(softmax(logits.numpy()), logits.softmax(dim=1), rtol=1e-5)


def test_package_gives_predictor_and_version():
    assert issubclass(polyhead.Predictor, Predictor)
    assert polyhead.__version__
    with pytest.raises(AttributeError, match="Predictr"):
        polyhead.Predictr  # noqa: B018


@pytest.mark.slow
def test_predictor_needs_neither_lightning_nor_hydra(folder):
    code = (
        "import sys, polyhead\n"
        "assert 'torch' not in sys.modules\n"
        f"polyhead.Predictor.load({str(folder)!r}).predict(['w1'])\n"
        "import polyhead.deployment.server.limits\n"
        "print(sorted({'lightning', 'hydra', 'omegaconf', 'sentence_transformers', 'fastapi', 'onnxruntime'}"
        " & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=300)
    assert done.stdout == "[]\n", done.stderr


def test_predictor_selects_by_the_scores_of_its_bundle(folder, tasks):
    with pytest.raises(UserError, match="coverage: the model has no validation scores of category"):
        Predictor.load(folder, precision="32-true", device="cpu").select(coverage=0.9)
    add_scores(folder, tasks)
    predictor = Predictor.load(folder, precision="32-true", device="cpu")
    expected = {name: scores.set_threshold(0.9) for name, scores in made_up_scores(tasks).items()}
    assert predictor.select(coverage=0.9).least_in_set == expected
    expected = {name: scores.answer_threshold(0.8) for name, scores in made_up_scores(tasks).items()}
    assert predictor.select(accuracy=0.8).least_answered == expected


def test_predictor_refuses_scores_that_no_export_writes(folder, tasks):
    (folder / "scores.json").write_text('{"category": 1}')
    seal(folder, manifest_of(tasks))
    with pytest.raises(UserError, match=r"scores\.json' cannot be read"):
        Predictor.load(folder, precision="32-true", device="cpu")

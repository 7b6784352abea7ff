import shutil
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from support.bundles import add_scores, half_right, make_bundle, manifest_of, texts

from polyhead.deployment.backends import BACKENDS, GRAPH, INT8_GRAPH, open_backend
from polyhead.deployment.bundle import graph
from polyhead.deployment.bundle.folder import Bundle
from polyhead.deployment.bundle.manifest import seal
from polyhead.deployment.predictor import Predictor
from polyhead.errors import ParameterError, UserError

OTHERS = [backend for backend in BACKENDS if backend != "torch"]


@pytest.fixture
def folder(tmp_path, model, tasks):
    return make_bundle(tmp_path / "bundle", model, tasks)


@pytest.fixture
def with_graphs(folder, graphs, tasks):
    shutil.copytree(graphs, folder, dirs_exist_ok=True)
    seal(folder, manifest_of(tasks))
    return folder


def outputs_of(model, ids):
    """Embeddings and logits (B, H + C), by the model as it was trained."""
    with torch.inference_mode():
        embeddings = model.eval().encoder(ids)
        return torch.cat([embeddings, *model.classify(embeddings).values()], dim=1)


def cosines(ours, theirs):
    return torch.cosine_similarity(torch.as_tensor(ours), torch.as_tensor(theirs))


@pytest.mark.slow
def test_backends_give_the_same_sets_and_answers(with_graphs, tasks):
    validated = Predictor.load(with_graphs, "torch", "32-true", "cpu").predict(texts(180)[60:]).probabilities
    add_scores(with_graphs, tasks, {task: half_right(shares) for task, shares in validated.items()})
    found = []
    for backend in ("torch", "onnx", "openvino"):
        predictor = Predictor.load(with_graphs, backend, "32-true", "cpu")
        shares = predictor.predict(texts(60)).probabilities
        sets, answers = predictor.select(coverage=0.6), predictor.select(accuracy=0.6)
        sets_of_tasks = [sets.label_sets(task, shares[task.name]) for task in tasks]
        found.append((sets_of_tasks, [answers.answered(task, shares[task.name]).tolist() for task in tasks]))
    assert found[0] == found[1] == found[2]
    assert {len(labels) for labels in found[0][0][0]} > {1}
    assert {*found[0][1][0]} == {True, False}


@pytest.mark.slow
def test_backends_predict_what_the_model_does(with_graphs, model):
    some = texts(60)
    expected = Predictor.load(with_graphs, "torch", "32-true", "cpu").predict(some)
    for backend in ("onnx", "openvino"):
        found = Predictor.load(with_graphs, backend, "32-true", "cpu").predict(some)
        np.testing.assert_allclose(found.embeddings, expected.embeddings, atol=1e-4)
        for task, shares in expected.probabilities.items():
            np.testing.assert_allclose(found.probabilities[task], shares, atol=1e-4)
    ids = torch.randint(3, 90, (4, 7))
    for backend in ("onnx", "openvino"):
        found = open_backend(Bundle.open(with_graphs), backend, "32-true", "cpu")(ids)
        torch.testing.assert_close(found, outputs_of(model, ids), atol=1e-4, rtol=1e-3)


@pytest.mark.slow
def test_backends_find_the_graphs_where_earlier_versions_put_them(with_graphs, tasks):
    expected = [Predictor.load(with_graphs, backend, "32-true", "cpu").predict(texts(5)) for backend in OTHERS]
    (with_graphs / GRAPH).rename(with_graphs / "graph.onnx")
    (with_graphs / INT8_GRAPH).rename(with_graphs / "graph.int8.onnx")
    seal(with_graphs, manifest_of(tasks))
    for backend, before in zip(OTHERS, expected, strict=True):
        found = Predictor.load(with_graphs, backend, "32-true", "cpu").predict(texts(5))
        np.testing.assert_array_equal(found.embeddings, before.embeddings)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["model.onnx", "model_int8.onnx"])
def test_graphs_lie_and_speak_as_sentence_transformers_expects(with_graphs, name):
    """What backend="onnx" does: onnx/NAME beside config.json, inputs and one output by name, the stock pooling on it.

    optimum-onnx, which does it there, needs an older transformers than this package.
    """
    from sentence_transformers import SentenceTransformer

    assert {"config.json", "modules.json", "onnx"} <= {path.name for path in with_graphs.iterdir()}
    session = graph.open_session(with_graphs / "onnx" / name)
    assert [entry.name for entry in session.get_inputs()] == ["input_ids", "attention_mask"]
    assert [entry.name for entry in session.get_outputs()] == [
        "sentence_embedding",
        "category_logits",
        "sentiment_logits",
        "last_hidden_state",
    ]
    stock = SentenceTransformer(str(with_graphs), device="cpu")
    features = stock.tokenize(texts(9))
    names = ("input_ids", "attention_mask")
    (states,) = session.run(["last_hidden_state"], {key: features[key].numpy() for key in names})
    features["token_embeddings"] = torch.from_numpy(states)
    for module in list(stock)[1:]:
        features = module(features)
    expected = torch.as_tensor(stock.encode(texts(9)))
    if name == "model.onnx":
        torch.testing.assert_close(features["sentence_embedding"], expected, atol=1e-5, rtol=0)
    else:
        assert cosines(features["sentence_embedding"], expected).min() > 0.99


@pytest.mark.slow
def test_backends_of_lower_precision_are_close_to_the_model(with_graphs):
    some = texts(60)
    whole = Predictor.load(with_graphs, "torch", "32-true", "cpu").predict(some)
    for backend, precision in (("onnx-int8", "32-true"), ("openvino", "bf16-true"), ("torch", "bf16-true")):
        found = Predictor.load(with_graphs, backend, precision, "cpu").predict(some)
        assert cosines(found.embeddings, whole.embeddings).min() > 0.99
        np.testing.assert_allclose(found.probabilities["category"], whole.probabilities["category"], atol=0.05)


def test_torch_backend_gives_embeddings_and_then_the_logits_of_all_tasks(folder, model):
    backend = open_backend(Bundle.open(folder), "torch", "32-true", "cpu")
    ids = torch.randint(3, 90, (4, 7))
    expected = outputs_of(model, ids)
    with torch.inference_mode():
        torch.testing.assert_close(backend(ids), expected, atol=1e-5, rtol=1e-4)
    assert backend.width == expected.shape[1] == 16 + 3 + 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("tourch", "auto", "cpu"), "backend: unknown 'tourch'; did you mean 'torch'"),
        (("onnx", "auto", "cpu"), r"has no onnx/model\.onnx; export it again with graph=onnx"),
        (("openvino", "auto", "cpu"), r"has no onnx/model\.onnx; export it again with graph=onnx"),
        (("onnx-int8", "auto", "cpu"), r"has no onnx/model_int8\.onnx; export it again with graph=int8"),
        (("torch", "bf8", "cpu"), "precision: unknown 'bf8'"),
        (("torch", "auto", "tpu"), "device: unknown 'tpu'"),
        (("torch", "16-mixed", "cpu"), "precision=16-mixed: a CPU has no fast float16"),
    ],
)
def test_open_backend_names_the_parameter_that_does_not_fit(folder, arguments, message):
    with pytest.raises(ParameterError, match=message) as error:
        open_backend(Bundle.open(folder), *arguments)
    assert "\n" not in str(error.value)


def test_open_backend_names_all_parameters_that_do_not_fit(folder):
    with pytest.raises(ParameterError) as error:
        open_backend(Bundle.open(folder), "torch", "bf8", "tpu")
    assert [line.split(":")[0] for line in str(error.value).splitlines()] == ["device", "precision"]


@pytest.mark.parametrize("backend", OTHERS)
def test_open_backend_does_not_ask_for_a_device_where_it_computes_on_the_processor(folder, backend):
    with pytest.raises(ParameterError, match="^backend: "):  # and not "device: "
        open_backend(Bundle.open(folder), backend, "auto", "tpu")


def _write(path, content):
    path.parent.mkdir()
    path.write_bytes(content)


@pytest.mark.parametrize(("backend", "module"), [("onnx", "onnxruntime"), ("openvino", "openvino")])
def test_open_backend_says_what_to_install_where_a_library_is_missing(folder, tasks, monkeypatch, backend, module):
    _write(folder / GRAPH, b"")
    seal(folder, manifest_of(tasks))
    monkeypatch.setitem(sys.modules, module, None)
    message = rf'backend: {module} is not installed; run: pip install "polyhead\[{backend}\]"'
    with pytest.raises(UserError, match=message):
        open_backend(Bundle.open(folder), backend, "auto", "cpu")


@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_open_backend_refuses_a_damaged_graph_in_one_line(folder, tasks, backend):
    _write(folder / GRAPH, b"no graph at all")
    seal(folder, manifest_of(tasks))
    with pytest.raises(UserError, match=r"model\.onnx' is no graph that can be read") as error:
        open_backend(Bundle.open(folder), backend, "auto", "cpu")
    assert "\n" not in str(error.value)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["onnx", "openvino"])
def test_open_backend_refuses_a_graph_whose_heads_are_not_the_tasks(with_graphs, backend):
    """The classes of tasks.json, resealed, have another order of tasks than the graph's outputs."""
    opened = Bundle.open(with_graphs)
    opened = replace(opened, manifest=replace(opened.manifest, tasks=opened.manifest.tasks[::-1]))
    with pytest.raises(UserError, match=r"the heads of .* are not the tasks of tasks\.json") as error:
        open_backend(opened, backend, "32-true", "cpu")
    assert "\n" not in str(error.value)

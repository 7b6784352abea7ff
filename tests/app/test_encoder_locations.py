"""Folders of sentence-transformers, runs and bundles as encoders: what training, export and prediction make of them."""

import json
import shutil

import numpy as np
import pytest
import torch
from support.commands import NO_PICTURES, script, train
from support.sentence_models import SHORT, TEXTS, embedded_by_library, write_sentence_model, write_transformer

from polyhead import Predictor

SMALL = ["data.sizes.train=64", "data.sizes.validation=32", "data.sizes.test=32", "trainer.max_epochs=1"]
QUIET = [*SMALL, *NO_PICTURES, "accelerator=cpu", "logger=none", "trainer.precision=32-true"]
PROMPT = "w1 w2 "
TEXT = "\n".join(text for text in TEXTS if text) + "\n"


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Return where there are a model ``model``, a run ``run`` that trained it, and its bundle ``bundle``."""
    from sentence_transformers.base.modules import Dense, Normalize
    from sentence_transformers.sentence_transformer.modules import LayerNorm

    place = tmp_path_factory.mktemp("folders")
    torch.manual_seed(0)
    write_transformer(place / "transformer")
    on_top = [Dense(32, 24), LayerNorm(24), Normalize()]
    settings = {"include_prompt": False, "prompts": {"query": PROMPT}, "max_seq_length": SHORT, "do_lower_case": True}
    write_sentence_model(place / "model", place / "transformer", ["mean", "cls"], on_top, **settings)
    (place / "texts.txt").write_text(TEXT)
    done = train("encoder=local", "encoder.location=model", *QUIET, "hydra.run.dir=run", cwd=place)
    assert done.returncode == 0, done.stderr
    done = script("export", "run=run", "output=bundle", "graph=onnx", "classifiers=true", cwd=place)
    assert done.returncode == 0, done.stderr
    return place


def encoded(place, *arguments):
    """Return the embeddings that scripts/encode.py writes, in single precision."""
    given = ["input=texts.txt", "output=e.npy", "overwrite=true", "precision=32-true", "device=cpu"]
    done = script("encode", *given, *arguments, cwd=place)
    assert done.returncode == 0, done.stderr
    return torch.from_numpy(np.load(place / "e.npy"))


def check_equal(ours, theirs):
    assert ours.shape == theirs.shape
    assert torch.cosine_similarity(ours, theirs).min() > 0.99999
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_encode_gives_the_embeddings_of_a_folder(folders):
    ours = encoded(folders, "encoder=local", "encoder.location=model")
    check_equal(ours, embedded_by_library(folders / "model", TEXT.splitlines()))


@pytest.mark.slow
def test_run_moves_all_of_the_pipeline_and_is_an_encoder(folders):
    before = encoded(folders, "encoder=local", "encoder.location=model")
    after = encoded(folders, "run=run")
    assert (before - after).abs().max() > 1e-3
    check_equal(encoded(folders, "encoder=local", "encoder.location=run"), after)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_bundle_gives_the_embeddings_of_its_run_everywhere(folders, backend):
    expected = encoded(folders, "run=run")
    predictor = Predictor.load(folders / "bundle", backend, "32-true")
    predicted = predictor.predict(TEXT.splitlines())
    check_equal(torch.from_numpy(predicted.embeddings), expected)
    reference = Predictor.load(folders / "bundle", "torch", "32-true").predict(TEXT.splitlines())
    for task, probabilities in predicted.probabilities.items():
        np.testing.assert_allclose(probabilities, reference.probabilities[task], atol=1e-5)


@pytest.mark.slow
def test_bundle_gives_its_embeddings_in_sentence_transformers(folders):
    expected = encoded(folders, "run=run")
    check_equal(embedded_by_library(folders / "bundle", TEXT.splitlines()), expected)
    check_equal(encoded(folders, "encoder=local", "encoder.location=bundle"), expected)


@pytest.mark.slow
def test_bundle_has_the_prompt_for_all_methods_of_sentence_transformers(folders):
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(str(folders / "bundle"), device="cpu")
    texts = TEXT.splitlines()
    for method in (model.encode_query, model.encode_document):
        assert np.array_equal(method(texts), model.encode(texts))
    assert model.prompts[model.default_prompt_name] == PROMPT


@pytest.mark.slow
def test_heads_of_a_bundle_act_on_its_embeddings(folders):
    from safetensors.torch import load_file
    from sentence_transformers import CrossEncoder

    predicted = Predictor.load(folders / "bundle", "torch", "32-true").predict(TEXT.splitlines())
    heads = load_file(folders / "bundle" / "heads.safetensors")
    temperatures = {
        entry["name"]: entry["temperature"]
        for entry in json.loads((folders / "bundle" / "tasks.json").read_text())["tasks"]
    }
    for task in ("category", "sentiment"):
        logits = torch.from_numpy(predicted.embeddings) @ heads[f"{task}.weight"].T + heads[f"{task}.bias"]
        shares = (logits / (temperatures[task] or 1)).softmax(dim=1)
        np.testing.assert_allclose(shares, predicted.probabilities[task], atol=1e-5)
        classifier = CrossEncoder(str(folders / "bundle" / "classifiers" / task), device="cpu").eval()
        with torch.inference_mode():
            scores = classifier(classifier.preprocess(TEXT.splitlines(), prompt=PROMPT))["scores"]
        torch.testing.assert_close(scores, logits, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_training_continues_from_the_encoder_of_a_run(folders):
    choices = ["encoder=local", "encoder.location=run", "freeze=backbone", "activation_cache=off"]
    done = train(*choices, *QUIET, "hydra.run.dir=second", cwd=folders)
    assert done.returncode == 0, done.stderr
    check_equal(encoded(folders, "run=second"), encoded(folders, "run=run"))


@pytest.mark.slow
def test_frozen_activations_equal_those_that_are_not_stored(folders):
    choices = ["encoder=local", "encoder.location=model", "freeze=backbone", *QUIET]
    scores = []
    for cache in ("off", "disk"):
        folder = f"cache_{cache}"
        done = train(*choices, f"activation_cache={cache}", f"hydra.run.dir={folder}", cwd=folders)
        assert done.returncode == 0, done.stderr
        scores.append(json.loads((folders / folder / "metrics.json").read_text())["test"])
    for task, results in scores[0].items():
        assert results["loss"] == pytest.approx(scores[1][task]["loss"], abs=1e-5)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["encoder=local"], "encoder.location: missing; set encoder.location=..."),
        (["encoder=minilm", "encoder.location=run"], "encoder.sha256: 'run' is a run, whose weights have no digest"),
        (
            ["encoder=local", "encoder.location=unfinished"],
            "encoder.location: 'unfinished/metrics.json' cannot be read",
        ),
        (["encoder=local", "encoder.location=circle"], "'circle' is a run that began with its own encoder"),
        (["encoder=local", "encoder.location=model", "encoder.prompt=qurey"], "did you mean 'query'?"),
        (["encoder=local", "encoder.location=model", "encoder.pooling=[mean,sum]"], "encoder.pooling: unknown 'sum'"),
        (["encoder=local", "encoder.location=model", "encoder.max_length=all"], "encoder.max_length: 'all' given"),
    ],
)
def test_location_that_does_not_fit_is_refused_in_a_line(folders, arguments, message):
    for name in ("unfinished", "circle"):
        if not (folders / name).exists():
            shutil.copytree(folders / "run", folders / name)
    (folders / "unfinished" / "metrics.json").unlink(missing_ok=True)
    config = folders / "circle" / "config.yaml"
    config.write_text(config.read_text().replace("location: model", "location: circle"))
    for command in (train, lambda *given, cwd: script("encode", "input=texts.txt", "output=x.npy", *given, cwd=cwd)):
        done = command(*arguments, cwd=folders)
        assert done.returncode == 2, done.stdout + done.stderr
        assert message in done.stderr
        assert "Traceback" not in done.stderr

"""Folders of sentence-transformers, runs and bundles as encoders: what training, export and prediction make of them."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml
from omegaconf import OmegaConf
from support.commands import NO_HEALTH, NO_PICTURES, ROOT, script, sizes, train
from support.configs import composed
from support.sentence_models import SHORT, TEXTS, embedded_by_library, write_sentence_model, write_transformer

from polyhead import Predictor
from polyhead.app.loaded.trained import build_encoder, load_trained_run
from polyhead.app.training.composition import compose_components
from polyhead.errors import UserError
from polyhead.inference.embedder import Embedder

SMALL = [*sizes(64, 32), "trainer.max_epochs=1"]
QUIET = [*SMALL, *NO_PICTURES, *NO_HEALTH, "accelerator=cpu", "logger=none", "trainer.precision=32-true"]
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


def embed(encoder, model):
    """Return the embeddings of the texts, in single precision."""
    embedder = Embedder(model, encoder.load_text_tokenizer(), "32-true", torch.device("cpu"))
    return torch.from_numpy(np.concatenate(list(embedder.embed(TEXT.splitlines()))))


def embedded_by(location):
    leaves = yaml.safe_load((ROOT / "configs" / "encoder" / "local.yaml").read_text())
    encoder = build_encoder(OmegaConf.create({**leaves, "location": str(location)}), ())
    return embed(encoder, encoder.load())


def embedded_by_run(folder):
    trained = load_trained_run(folder)
    return embed(trained.encoder, trained.model.encoder)


@pytest.fixture
def inside(folders, monkeypatch):
    """Work where the run was started: it names the folder of its encoder from there."""
    monkeypatch.chdir(folders)
    return folders


def check_equal(ours, theirs):
    assert ours.shape == theirs.shape
    assert torch.cosine_similarity(ours, theirs).min() > 0.99999
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_encode_gives_the_embeddings_of_a_folder(folders):
    given = ["input=texts.txt", "output=e.npy", "precision=32-true", "device=cpu"]
    done = script("encode", "encoder=local", "encoder.location=model", *given, cwd=folders)
    assert done.returncode == 0, done.stderr
    assert f" of them cut to {SHORT} tokens" in done.stdout
    assert done.stdout.rstrip().endswith(f"each after {PROMPT!r}")
    ours = torch.from_numpy(np.load(folders / "e.npy"))
    check_equal(ours, embedded_by_library(folders / "model", TEXT.splitlines()))


@pytest.mark.slow
def test_run_is_an_encoder_as_it_was_trained(inside):
    before, after = embedded_by("model"), embedded_by_run(inside / "run")
    assert (before - after).abs().max() > 1e-3
    check_equal(embedded_by("run"), after)


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "onnx", "openvino"])
def test_bundle_gives_the_embeddings_of_its_run_everywhere(inside, backend):
    expected = embedded_by_run(inside / "run")
    predictor = Predictor.load(inside / "bundle", backend, "32-true")
    predicted = predictor.predict(TEXT.splitlines())
    check_equal(torch.from_numpy(predicted.embeddings), expected)
    reference = Predictor.load(inside / "bundle", "torch", "32-true").predict(TEXT.splitlines())
    for task, probabilities in predicted.probabilities.items():
        np.testing.assert_allclose(probabilities, reference.probabilities[task], atol=1e-5)


@pytest.mark.slow
def test_bundle_gives_its_embeddings_in_sentence_transformers(inside):
    expected = embedded_by_run(inside / "run")
    check_equal(embedded_by_library(inside / "bundle", TEXT.splitlines()), expected)
    check_equal(embedded_by("bundle"), expected)


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
def test_training_continues_from_the_encoder_of_a_run_with_and_without_stored_activations(inside):
    choices = ["encoder=local", "encoder.location=run", "freeze=backbone", *QUIET]
    losses = []
    for cache in ("off", "disk"):
        done = train(*choices, f"activation_cache={cache}", f"hydra.run.dir={cache}", cwd=inside)
        assert done.returncode == 0, done.stderr
        results = json.loads((inside / cache / "metrics.json").read_text())["test"]
        losses.append([results[task]["loss"] for task in ("category", "sentiment")])
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    check_equal(embedded_by_run(inside / "off"), embedded_by_run(inside / "run"))


@pytest.mark.slow  # the folders
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
def test_location_that_does_not_fit_is_refused_in_a_line(inside, arguments, message):
    for name in ("unfinished", "circle"):
        if not (inside / name).exists():
            shutil.copytree("run", name)
    Path("unfinished", "metrics.json").unlink(missing_ok=True)
    config = Path("circle", "config.yaml")
    config.write_text(config.read_text().replace("location: model", "location: circle"))
    config = composed("new", *arguments, *QUIET)
    with pytest.raises(UserError) as caught:
        compose_components(config).encoder.load_text_tokenizer()
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)

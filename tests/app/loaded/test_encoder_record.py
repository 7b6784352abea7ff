"""A run whose encoder's folder changed since is refused; those of 0.1.0, which noted nothing, are not."""

import json

import pytest
from support.commands import NO_PICTURES, SMALL_DATA, script, train
from support.sentence_models import write_sentence_model, write_transformer

pytestmark = pytest.mark.slow
POOLING = "model/1_Pooling/config.json"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("record")
    write_sentence_model(folder / "model", write_transformer(folder / "transformer"), "mean", prompts={"a": "w1 "})
    arguments = ["encoder=local", "encoder.location=model", *SMALL_DATA, *NO_PICTURES, "accelerator=cpu"]
    arguments += ["heads=trained", "trainer.max_epochs=1"]  # which leaves a checkpoint to resume from
    done = train(*arguments, "freeze=backbone", "hydra.run.dir=run", cwd=folder)
    assert done.returncode == 0, done.stderr
    (folder / "texts.txt").write_text("w1 w2\n")
    return folder


def edit(path, **entries):
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


def commands(folder):
    texts = ["input=texts.txt", "overwrite=true"]
    yield script("encode", *texts, "output=a.npy", "run=run", cwd=folder)
    yield script("export", "run=run", "output=bundle", "overwrite=true", cwd=folder)
    yield train("resume=run", "trainer.max_epochs=2", "hydra.run.dir=more", cwd=folder)


def test_run_notes_how_its_texts_became_embeddings(folder):
    noted = json.loads((folder / "run" / "provenance.json").read_text())["encoder"]
    assert noted == {"embedding": "mean", "length": "40 tokens", "prompt": "w1 ", "lower_case": "no"}


def test_run_whose_encoder_says_something_else_now_is_refused_in_one_line(folder):
    before = (folder / POOLING).read_text()
    edit(folder / POOLING, pooling_mode="cls")
    for done in commands(folder):
        assert done.returncode == 2
        (line,) = done.stderr.splitlines()
        assert "'model' is not as it was when 'run' was trained from it (embedding 'mean' is 'cls' now)" in line
    (folder / POOLING).write_text(before)
    for done in commands(folder):
        assert done.returncode == 0, done.stderr

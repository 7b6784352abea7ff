"""Runs that begin with the encoder and the heads of a run or a bundle, as a user starts them."""

import csv
import json
import re

import pytest
import torch
from support.commands import NO_HEALTH, NO_PICTURES, TINY, TINY_ENCODER, script, train

from polyhead.app.loaded.trained import load_trained_run

QUICK = [*NO_PICTURES, *NO_HEALTH, "accelerator=cpu", "trainer.precision=32-true", "trainer.max_epochs=1"]
TEXTS = ["A thing happened.", "What a day!", "Why do bears not wear shoes?"]


def write_rows(path, column, classes, rows=48):
    texts = (f"{classes[i % len(classes)]} thing number {i} of {i * 7 % 13}" for i in range(rows))
    lines = [f"{text},{classes[i % len(classes)]}" for i, text in enumerate(texts)]
    path.write_text(f"text,{column}\n" + "\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run with a head for sentiment, its bundle, and files with labels for other tasks."""
    place = tmp_path_factory.mktemp("start")
    done = train(*TINY, "~tasks.category", "trainer.precision=32-true", "hydra.run.dir=old", cwd=place)
    assert done.returncode == 0, done.stderr
    assert script("export", "old", "output=bundle", cwd=place).returncode == 0
    write_rows(place / "topics.csv", "topic", ["sea", "sky", "wood"])
    write_rows(place / "tones.csv", "sentiment", ["Neutral", "Positive", "Negative", "Mixed"])
    (place / "texts.txt").write_text("\n".join(TEXTS))
    return place


def files(name):
    return ["data=files", *(f"data.files.{split}={name}.csv" for split in ("train", "validation", "test"))]


def answers(folder, run):
    """Return the columns of a run's predictions, by way of its bundle."""
    for command, *options in (
        ("export", run, f"output={run}_bundle", "overwrite=true"),
        ("predict", f"model={run}_bundle", "input=texts.txt", f"output={run}.csv", "overwrite=true"),
    ):
        done = script(command, *options, cwd=folder)
        assert done.returncode == 0, done.stderr
    with (folder / f"{run}.csv").open() as stream:
        return list(zip(*csv.reader(stream), strict=True))[1:]


@pytest.mark.slow
@pytest.mark.parametrize("start", ["old", "bundle"])
def test_added_task_leaves_the_answers_of_other_heads_bit_identical(folder, start):
    name = f"added_to_{start}"
    given = [
        "experiment=add_task",
        f"start={folder}/{start}",
        *files("topics"),
        "tasks=[topic]",
        f"hydra.run.dir={name}",
    ]
    done = train(*QUICK, *given, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert f"head of sentiment: from {folder}/{start}\n" in done.stdout
    assert "head of topic: new" in done.stdout
    new, old = answers(folder, name), answers(folder, "old")
    assert [column[0] for column in new[:2]] == ["predicted_topic", "predicted_topic_probability"]
    assert new[2:] == old
    metrics = json.loads((folder / name / "metrics.json").read_text())
    assert metrics["validation"].keys() == {"topic"}
    assert metrics["validation"]["topic"]["accuracy"] > 0.5
    assert metrics["kept_heads"].keys() == {"sentiment"}
    again = train(*QUICK, *given, "resume=auto", cwd=folder)
    assert "done already" in again.stdout, again.stderr


@pytest.mark.slow
def test_head_of_a_start_without_validation_is_kept_in_what_the_run_is_read_back_for(folder):
    rows = ["data=files", "data.files.train=tones.csv", "data.files.test=tones.csv", "data.holdout.validation=0.0"]
    few = train(*QUICK, *TINY_ENCODER, *rows, "freeze=backbone", "tasks=[sentiment]", "hydra.run.dir=few", cwd=folder)
    assert few.returncode == 0, few.stderr
    given = ["experiment=add_task", "start=few", *files("topics"), "tasks=[topic]", "hydra.run.dir=on_few"]
    done = train(*QUICK, *given, cwd=folder)
    assert done.returncode == 0, done.stderr
    exported = script("export", "on_few", "output=on_few_bundle", "sentences=train", cwd=folder)
    assert exported.returncode == 0, exported.stderr


@pytest.mark.slow
def test_added_classes_leave_the_rows_of_the_old_ones(folder):
    labels = "tasks=[{sentiment: [Mixed, Neutral, Positive, Negative]}]"
    given = [f"start={folder}/old", "freeze=backbone", *files("tones"), labels, "hydra.run.dir=classes"]
    done = train(*QUICK, *given, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert f"head of sentiment: from {folder}/old; new in it: 'Mixed'" in done.stdout
    old, new = (load_trained_run(folder / run).model.heads["sentiment"][-1] for run in ("old", "classes"))
    assert torch.equal(new.weight[1:], old.weight)
    assert torch.equal(new.bias[1:], old.bias)
    confusion = json.loads((folder / "classes" / "metrics.json").read_text())["validation"]["sentiment"]["confusion"]
    assert confusion[0][0] > 0  # of the new class some are found


@pytest.mark.slow
def test_kept_head_stays_while_the_encoder_is_trained_and_a_line_says_what_that_means(folder):
    given = [f"start={folder}/old", *files("topics"), "tasks=[topic]", "hydra.run.dir=trained"]
    done = train(*QUICK, *given, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "keep_heads: sentiment without labels here, while the encoder is trained" in done.stdout
    old, new = (load_trained_run(folder / run).model for run in ("old", "trained"))
    assert all(torch.equal(value, new.heads.state_dict()[name]) for name, value in old.heads.state_dict().items())
    assert not torch.equal(old.encoder.layers[0].output.dense.weight, new.encoder.layers[0].output.dense.weight)


@pytest.mark.slow
def test_head_of_the_start_is_solved_again_over_the_encoder_as_trained(folder):
    sizes = [f"data.sizes.{split}=32" for split in ("train", "validation", "test")]
    given = [f"start={folder}/old", "~tasks.category", *sizes, "loss=pair_similarity", "heads.again=true"]
    done = train(*QUICK, *given, "hydra.run.dir=again", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "head of sentiment: solved over" not in done.stdout
    assert "head of sentiment: solved again over 32 rows" in done.stdout


@pytest.mark.slow
def test_start_that_leaves_nothing_to_train_is_told(folder):
    sizes = [f"data.sizes.{split}=32" for split in ("train", "validation", "test")]
    given = [f"start={folder}/old", "freeze=backbone", "~tasks.category", *sizes, "hydra.run.dir=same"]
    done = train(*QUICK, *given, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "start: no head or class is new and the encoder is frozen, so nothing is trained" in done.stdout
    old, same = (load_trained_run(folder / run).model.state_dict() for run in ("old", "same"))
    assert all(torch.equal(value, same[name]) for name, value in old.items())


@pytest.mark.slow
def test_head_of_the_start_stays_where_heads_are_solved_and_a_line_and_the_plan_say_so(folder):
    sizes = [f"data.sizes.{split}=32" for split in ("train", "validation", "test")]
    given = [f"start={folder}/old", "freeze=backbone", *sizes, "hydra.run.dir=stays"]
    done = train(*QUICK, *given, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert f"head of sentiment: as in {folder}/old, whatever labels there are here" in done.stdout
    assert re.search(r"heads.sentiment *│ 75 *│ as in start", done.stdout)
    old, new = (load_trained_run(folder / run).model.heads["sentiment"].state_dict() for run in ("old", "stays"))
    assert all(torch.equal(value, new[name]) for name, value in old.items())
    metrics = json.loads((folder / "stays" / "metrics.json").read_text())
    assert metrics["parameters"]["trainable"] == 6 * (24 + 1)  # the head of category alone


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["experiment=add_task"], "start: 'RUN' is neither a finished run nor a bundle; give the folder of one"),
        (
            ["start=old", "encoder.pooling=cls"],
            "encoder.pooling=cls: with start the encoder is that of 'old'; leave it",
        ),
        (["start=old", "keep_heads=[mood]"], "keep_heads: the start has no 'mood'"),
        (["start=old", "soup=uniform", "soup.runs=[old]"], "start: given beside a soup, which begins with the average"),
        (["keep_heads=[sentiment]"], "keep_heads: without effect but with start"),
        (
            ["start=old", "tasks.sentiment=[Positive,Negative]"],
            "tasks.sentiment: 'Neutral' missing, which the head of 'old' has; name them",
        ),
    ],
)
def test_wrong_words_about_the_start_are_a_line(folder, given, message):
    done = train(*QUICK, *given, "hydra.run.dir=wrong", cwd=folder)
    assert done.returncode == 2, done.stdout
    assert message in done.stderr
    assert "Traceback" not in done.stderr

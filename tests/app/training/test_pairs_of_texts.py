"""Tasks about two texts from the command line: trained, exported, predicted with, evaluated, compared; and refused."""

import csv
import json

import pytest
from support.commands import TINY, script, sizes, train

import polyhead
from polyhead.runs.record import read

EXTRA = "data.extra=[alike,same,relation]"
PAIRS = [EXTRA, "+tasks.alike=similarity", "+tasks.same=contrastive", "+tasks.relation=entailment"]
SIZES = sizes(120, 60)
OPTIONS = {
    "data.folds": 2,
    "trainer.max_epochs": 1,
    "accelerator": "cpu",
    "logger": "none",
    "encoder.pretrained": False,
    "encoder.architecture.hidden_size": 24,
    "encoder.architecture.intermediate_size": 48,
    "encoder.architecture.num_hidden_layers": 2,
}
NAMES = ["alike", "same", "relation"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Train tasks about one text and about two over a frozen encoder, and export the run."""
    folder = tmp_path_factory.mktemp("pairs")
    done = train(*TINY, *SIZES, *PAIRS, "freeze=backbone", "run_dir=run", cwd=folder)
    assert done.returncode == 0, done.stderr
    exported = script("export", "run=run", "output=bundle", cwd=folder)
    assert exported.returncode == 0, exported.stderr
    return folder, done.stdout


@pytest.mark.slow
def test_pairs_train_beside_sentences_and_solve_the_head_that_there_is(made):
    folder, output = made
    assert "spearman of alike, mrr of same, macro_f1 of relation" in output
    for task in ("category", "sentiment", "relation"):
        assert f"head of {task}: solved over 120 rows" in output
    assert "heads.alike" not in output
    assert "activations of train, second texts: " in output
    record = read(folder / "run")
    assert record.status == "done"
    assert {*NAMES} <= record.metrics.test.keys()


@pytest.mark.slow
def test_pairs_are_predicted_where_their_column_is_named(made):
    folder, _ = made
    rows = [["text", "other"], ["A lovely day", "What a fine day"], ["It is a table", ""], ["The soup", "Cold soup"]]
    with (folder / "in.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    arguments = ("model=bundle", "input=in.csv", "output=out.jsonl", "precision=32-true")
    done = script("predict", *arguments, "pair=other", cwd=folder)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()]
    assert [answer["predicted_alike"] is None for answer in answers] == [False, True, False]
    assert [answer["predicted_relation_probability"] is None for answer in answers] == [False, True, False]
    assert -1 <= answers[0]["predicted_alike"] == pytest.approx(answers[0]["predicted_same"], abs=1e-5)
    alone = script("predict", *arguments, "overwrite=true", cwd=folder)
    assert (
        "alike, same, relation: about two texts; name the column of the second: pair=COLUMN; left out" in alone.stderr
    )
    assert "predicted_alike" not in (folder / "out.jsonl").read_text()
    handle = polyhead.Run(folder / "run")
    ours = handle.predict([row[0] for row in rows[1:]], [row[1] or None for row in rows[1:]]).labels("alike")
    assert ours == pytest.approx([answer["predicted_alike"] for answer in answers], abs=1e-2)


@pytest.mark.slow
def test_pairs_are_evaluated_as_training_tested_them(made):
    folder, _ = made
    rows = [
        ["text", "other", "alike", "relation"],
        ["A fine day", "A fine day", "3", "same"],
        ["A table", "Soup", "0", "apart"],
    ]
    with (folder / "later.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    done = script("evaluate", "model=run", "input=later.csv", "pair=other", "output=later", cwd=folder)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((folder / "later" / "metrics.json").read_text())
    assert metrics["labelled"] == {"category": 0, "sentiment": 0, "alike": 2, "same": 2, "relation": 2}
    assert metrics["test"]["alike"]["spearman"] == pytest.approx(1, abs=1e-4)
    assert metrics["test"]["same"].keys() == {"kind", "mrr", "accuracy_at_1", "loss"}
    lacking = script("evaluate", "model=run", "input=later.csv", "output=lacking", cwd=folder)
    assert lacking.returncode == 2
    assert "alike: a label, and no second text; name their column: pair=COLUMN" in lacking.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["+tasks.alike=similarity"], "tasks: the hypothetical sentences know no 'alike'; set data.extra=[alike]"),
        (
            [EXTRA, "+tasks.alike=similarity", "loss=pair_similarity"],
            "takes sentences of one class each, not alike (sim",
        ),
        ([EXTRA, "+tasks.relation=entailment", "loss=pair_similarity"], "of one class each, not relation (entailment)"),
        ([EXTRA, "+tasks.alike=similarity", "loader.balance=alike"], "loader.balance: alike is similarity"),
        ([EXTRA, "+tasks.same={kind: contrastive, scale: -1}"], "tasks.same.scale: -1 given; it must be above 0"),
        (
            [EXTRA, "+tasks.same=contrastive", "~tasks.category", "~tasks.sentiment", "freeze=heads"],
            "the model has no 'hea",
        ),
    ],
)
def test_pairs_are_refused_in_a_line(tmp_path, overrides, message):
    done = train(*TINY, *SIZES, *overrides, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("choices", [{"freeze": "backbone"}, {"freeze": "none", "keep_embedding": "cosine"}])
def test_pairs_of_frames_train_in_folds_with_weights(tmp_path, monkeypatch, choices):
    monkeypatch.chdir(tmp_path)
    rows = [
        {"one": f"w{i % 7} w{i % 5}", "other": f"w{i % 7} w{i % 3}" if i % 4 else None, "trust": 1 + i % 2}
        | {"score": i % 5 if i % 4 else None, "tone": ("dry", "warm")[i % 2]}
        for i in range(80)
    ]
    run = polyhead.fit(
        rows,
        text="one",
        pair="other",
        weight="trust",
        tasks={"tone": None, "near": "similarity"},
        columns={"near": "score"},
        options=OPTIONS | {"data.cache": str(tmp_path / "tables")},
        quiet=True,
        **choices,
    )
    with (run.folder / "oof.csv").open() as file:
        table = list(csv.DictReader(file))
    assert [bool(row["near_predicted"]) for row in table] == [bool(row["second"]) for row in table]
    assert any(row["second"] for row in table)

"""The sentences to label next and the labels to look at again, from a configuration to a file, on tiny models."""

import csv
import json
import re

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from omegaconf import OmegaConf
from pyarrow import parquet
from support.bundles import make_bundle
from support.commands import NO_PICTURES, ROOT, TINY_ENCODER, script, train
from support.fakes import WORDS

from polyhead import Predictor
from polyhead.app.jobs.label import run
from polyhead.errors import UserError
from polyhead.sources.synthetic.corpus import LABELS, HypotheticalCorpus

SENTENCES = [" ".join(WORDS[(7 * i + 11 * j) % 90] for j in range(2 + i % 5)) for i in range(60)]


@pytest.fixture
def folder(tmp_path, model, tasks, monkeypatch):
    """A folder with a bundle and tables, in which commands run."""
    make_bundle(tmp_path / "bundle", model, tasks, category=1.5)
    lines = [f"{number},{text}" for number, text in enumerate(SENTENCES)]
    (tmp_path / "pool.csv").write_text("\n".join(["id,text", *lines, "60,", f"61,{SENTENCES[3].upper()}"]))
    (tmp_path / "train.csv").write_text("\n".join(["text,category", *(f"{text},Quote" for text in SENTENCES[:20])]))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def label(*overrides):
    """Run the command in this process."""
    given = ["model=bundle", "precision=32-true", "device=cpu", "cache=cache", *overrides]
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("label", given, return_hydra_config=True)
    HydraConfig.instance().set_config(config)
    run(OmegaConf.masked_copy(config, [str(key) for key in config if key != "hydra"]))


def rows_of(path):
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pylist()
    with path.open(newline="", encoding="utf-8") as file:
        return [json.loads(line) for line in file] if path.suffix == ".jsonl" else list(csv.DictReader(file))


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_next_labels_are_rows_of_the_table_with_the_predictions_of_the_model(folder, ending, capsys):
    label("input=pool.csv", f"output=next.{ending}", "count=12")
    found = rows_of(folder / f"next.{ending}")
    assert [int(row["rank"]) for row in found] == list(range(1, 13))
    assert all(row["text"] == SENTENCES[int(row["id"])] for row in found)
    assert len({row["id"] for row in found}) == 12
    unsure = [float(row["uncertainty"]) for row in found]
    assert unsure == sorted(unsure, reverse=True)
    expected = Predictor.load("bundle", precision="32-true", device="cpu").predict([row["text"] for row in found])
    for task in ("category", "sentiment"):
        assert [row[f"predicted_{task}"] for row in found] == expected.labels(task)
        given = [float(row[f"predicted_{task}_probability"]) for row in found]
        np.testing.assert_allclose(given, expected.probabilities[task].max(axis=1), atol=1e-6)
    said = capsys.readouterr().err
    assert "12 sentences to label, written to next." in said
    assert "from 61 with a text, 1 of them repeated or labelled already" in said


@pytest.mark.slow
def test_next_labels_are_the_same_each_time(folder):
    for name in ("a", "b"):
        label("input=pool.csv", f"output={name}.csv", "count=7")
    assert (folder / "a.csv").read_bytes() == (folder / "b.csv").read_bytes()


def test_next_labels_leave_out_what_is_labelled_and_say_when_there_are_fewer(folder, capsys):
    label("input=pool.csv", "output=next.csv", "labelled=[train.csv]")
    found = rows_of(folder / "next.csv")
    assert {row["text"] for row in found} == {*SENTENCES[20:]}
    assert "40 sentences to label, all there are of count=50" in capsys.readouterr().err


def test_next_labels_go_by_one_task_where_one_is_named(folder):
    label("input=pool.csv", "output=next.csv", "task=sentiment", "count=5")
    assert [*rows_of(folder / "next.csv")[0]] == [
        "rank",
        "id",
        "text",
        "uncertainty",
        "predicted_sentiment",
        "predicted_sentiment_probability",
    ]


@pytest.mark.slow
def test_next_labels_read_other_columns_and_formats(folder):
    (folder / "pool.txt").write_text("\n".join(SENTENCES))
    (folder / "pool.jsonl").write_text("\n".join(json.dumps({"body": {"text": text}}) for text in SENTENCES))
    label("input=pool.txt", "output=a.jsonl", "count=9")
    label("input=pool.jsonl", "text=body.text", "output=b.jsonl", "count=9")
    texts = [row["text"] for row in rows_of(folder / "a.jsonl")]
    assert texts == [row["body"]["text"] for row in rows_of(folder / "b.jsonl")]


@pytest.mark.parametrize("name", ["rank", "uncertainty", "predicted_category"])
def test_next_labels_overwrite_no_column_of_json_lines(folder, name):
    rows = [{"text": text, name: "mine"} for text in SENTENCES]
    (folder / "pool.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.raises(UserError, match=f"it has a column '{name}' already, which would be overwritten; rename it"):
        label("input=pool.jsonl", "output=next.jsonl")
    assert not (folder / "next.jsonl").exists()


def write_labelled(path, count=150, flipped=0.0):
    """Write sentences whose words say their category; return the rows whose label is another's."""
    random = np.random.default_rng(0)
    names = ("Quote", "Riddle", "News")
    wrong = set()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "category", "sentiment"])
        for number in range(count):
            true = given = number % 3
            words = [*[WORDS[true]] * 9, *(WORDS[index] for index in random.integers(3, 90, 2))]
            if random.random() < flipped:
                given, wrong = (true + 1) % 3, wrong | {number + 2}
            writer.writerow([" ".join(words), names[given], "Positive" if number < 3 else ""])
    return wrong


@pytest.mark.slow
def test_audit_lists_the_labels_that_are_wrong_with_their_rows(folder, capsys):
    wrong = write_labelled(folder / "train.csv", 240, flipped=0.1)
    label("audit=train.csv", "output=suspects.csv")
    found = rows_of(folder / "suspects.csv")
    rows = {int(row["row"]) for row in found}
    assert len(rows & wrong) >= 0.8 * len(wrong)
    assert len(rows & wrong) >= 0.8 * len(rows)
    lines = (folder / "train.csv").read_text().splitlines()
    for rank, row in enumerate(found, start=1):
        assert (row["task"], row["rank"], row["file"]) == ("category", str(rank), "train.csv")
        assert lines[int(row["row"]) - 1] == f"{row['text']},{row['given']},{lines[int(row['row']) - 1].split(',')[2]}"
        assert row["given"] != row["suggested"]
    said = capsys.readouterr().err
    assert "labels judged" in said
    assert "sentiment: not judged, fewer than 5 sentences each: Positive" in said


@pytest.mark.slow
def test_audit_writes_a_table_without_rows_where_no_label_is_suspect(folder):
    write_labelled(folder / "train.csv", 90)
    label("audit=[train.csv]", "output=suspects.parquet", "task=category")
    assert rows_of(folder / "suspects.parquet") == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ([], "input, audit: neither given; input=FILE chooses"),
        (["input=pool.csv", "audit=train.csv"], "input, audit: both given; input=FILE chooses"),
        (["input=pool.csv", "count=0"], "count: 0 given; it must be 1 or more"),
        (["input=pool.csv", "count=many"], "count: 'many' given; it must be a whole number"),
        (["input=pool.csv", "task=mood"], "task: unknown 'mood'; Valid: category, sentiment"),
        (["input=nowhere.csv"], "nowhere.csv"),
        (["input=pool.csv", "labelled=nowhere.csv"], "nowhere.csv"),
        (["input=pool.csv", "text=body"], "no column 'body' for the text"),
        (
            ["input=pool.csv", "labelled=pool.csv"],
            "input: no sentence to choose in 'pool.csv': from 61 with a text, 61",
        ),
        (["input=pool.csv", "output=train.csv"], "train.csv' is there already"),
        (["input=pool.csv", "output=next.xlsx"], "output"),
        (["input=pool.csv", "model=."], "model: '.' is neither a finished run nor a bundle"),
        (["input=pool.csv", "columns={category: kind}"], "columns: it is read with audit=... alone"),
        (["input=ranked.csv"], "input: it has a column 'rank' already"),
        (["audit=train.csv", "count=5"], "count: it is read with input=... alone, and audit=... is given"),
        (["audit=nowhere.csv"], "audit: no file 'nowhere.csv'"),
        (["audit=pool.csv"], "audit: no label for category, sentiment in pool.csv"),
        (["audit=train.csv"], "audit: too few labels to judge any in train.csv"),
        (["audit=wrong.csv"], "wrong.csv row 2: category: unknown label 'Quot'; did you mean 'Quote'?"),
        (["audit=train.csv", "columns={mood: category}"], "columns: unknown task 'mood'"),
    ],
)
def test_label_refuses_in_one_line_and_writes_nothing(folder, overrides, message):
    (folder / "wrong.csv").write_text("text,category\na,Quot\n")
    (folder / "ranked.csv").write_text("text,rank\na,1\n")
    before = {path.name for path in folder.iterdir()} | {"cache"}
    with pytest.raises(UserError, match=re.escape(message)) as caught:
        label("output=out.csv", *overrides)
    assert len(str(caught.value).splitlines()) == 1
    assert {path.name for path in folder.iterdir()} <= before


def test_audit_names_the_extra_that_it_needs(folder, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "sklearn.linear_model", None)
    with pytest.raises(UserError, match=r'pip install "polyhead\[label\]"'):
        label("audit=train.csv", "output=out.csv")


@pytest.mark.slow
def test_label_takes_a_run_and_reads_files_as_its_training_did(tmp_path):
    corpus = HypotheticalCorpus({"train": 90}, 0, label_noise=0, imbalance=1, correlation=0, missing=0)
    with (tmp_path / "train.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows(
            [["body", "category"], *([row.text, row.labels["category"]] for row in corpus.sentences("train"))]
        )
    files = ["data=files", "data.files.train=train.csv", "data.text=body", "tasks=[category]"]
    arguments = [*TINY_ENCODER, *NO_PICTURES, "accelerator=cpu", "trainer.max_epochs=1", "hydra.run.dir=run"]
    stores = {f"POLYHEAD_{name}": str(tmp_path / name) for name in ("DATA", "TOKENS", "ACTIVATIONS")}
    done = train(*arguments, *files, "freeze=lora", cwd=tmp_path, **stores)
    assert done.returncode == 0, done.stderr
    chosen = script("label", "run", "input=train.csv", "output=-", "count=3", cwd=tmp_path, **stores)
    assert chosen.returncode == 0, chosen.stderr
    assert [json.loads(line)["rank"] for line in chosen.stdout.splitlines()] == [1, 2, 3]
    audited = script("label", "run", "audit=train.csv", "output=suspects.csv", cwd=tmp_path, **stores)
    assert audited.returncode == 0, audited.stderr
    assert audited.stdout == ""
    assert "90" in audited.stderr


@pytest.mark.slow
def test_audit_finds_flipped_labels_of_hypothetical_sentences(tmp_path):
    corpus = HypotheticalCorpus({"train": 2000}, 0, label_noise=0, imbalance=1, correlation=0, missing=0)
    random = np.random.default_rng(0)
    names = LABELS["category"]
    wrong = set()
    with (tmp_path / "train.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "category"])
        for number, sentence in enumerate(corpus.sentences("train"), start=2):
            given = sentence.labels["category"]
            if random.random() < 0.1:
                given = random.choice([name for name in names if name != given])
                wrong.add(number)
            writer.writerow([sentence.text, given])
    stores = {f"POLYHEAD_{name}": str(tmp_path / name) for name in ("DATA", "TOKENS", "ACTIVATIONS")}
    files = ["data=files", "data.files.train=train.csv", "tasks=[category]", "freeze=all", "hydra.run.dir=run"]
    done = train(*files, *NO_PICTURES, "accelerator=cpu", "data.limit=60", cwd=tmp_path, **stores)
    assert done.returncode == 0, done.stderr
    audited = script("label", "run", "audit=train.csv", "output=suspects.csv", cwd=tmp_path, **stores)
    assert audited.returncode == 0, audited.stderr
    found = {int(row["row"]) for row in rows_of(tmp_path / "suspects.csv")}
    assert len(found & wrong) >= 0.8 * len(wrong)
    assert len(found & wrong) >= 0.8 * len(found)

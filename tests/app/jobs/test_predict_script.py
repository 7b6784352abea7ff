"""Predictions from a configuration to a file, on a tiny bundle."""

import csv
import json

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from pyarrow import parquet
from support.bundles import add_scores, make_bundle, texts
from support.commands import ROOT

from polyhead import Predictor
from polyhead.app.jobs.predict import run
from polyhead.errors import UserError


@pytest.fixture
def predict(tmp_path, model, tasks):
    folder = make_bundle(tmp_path / "bundle", model, tasks)

    def predict(name, output, *options):
        overrides = [f"model={folder}", f"input={tmp_path / name}", f"output={tmp_path / output}", *options]
        with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
            run(compose("predict", [*overrides, "precision=32-true", "device=cpu"]))
        return tmp_path / output

    return predict


def rows_of(path):
    if path.suffix == ".parquet":
        return parquet.read_table(path).to_pylist()
    with path.open(newline="", encoding="utf-8") as file:
        return [json.loads(line) for line in file] if path.suffix == ".jsonl" else list(csv.DictReader(file))


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_predict_keeps_the_columns_of_each_row_and_adds_its_labels(tmp_path, predict, ending):
    some = [text for text in texts(20) if text.strip()]
    lines = [json.dumps({"text": text, "id": str(i)}) for i, text in enumerate(some)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    found = rows_of(predict("a.jsonl", f"b.{ending}"))
    expected = Predictor.load(tmp_path / "bundle", precision="32-true", device="cpu").predict(some)
    assert [(row["text"], row["id"]) for row in found] == [(text, str(i)) for i, text in enumerate(some)]
    for task in ("category", "sentiment"):
        assert [row[f"predicted_{task}"] for row in found] == expected.labels(task)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.tsv", "id\ttext\n7\tw1 w2\n8\tw3, w4\n", []),
        ("a.csv", "id,text\n7,w1 w2\n8,'w3, w4'\n", ['quote="\'"']),
        ("a.tsv", "id\ttext\n7\tw1 w2\n8\tw3, w4\n".encode("utf-16"), ["encoding=utf-16"]),
        ("table", "id\ttext\n7\tw1 w2\n8\tw3, w4\n", ["input_format=tsv"]),
    ],
)
def test_predict_reads_the_tables_that_training_reads(tmp_path, predict, name, content, options):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    found = rows_of(predict(name, "b.jsonl", *options))
    expected = Predictor.load(tmp_path / "bundle", precision="32-true", device="cpu").predict(["w1 w2", "w3, w4"])
    assert [(row["id"], row["text"]) for row in found] == [("7", "w1 w2"), ("8", "w3, w4")]
    assert [row["predicted_category"] for row in found] == expected.labels("category")


def test_predict_refuses_a_file_of_an_unknown_kind(tmp_path, predict):
    (tmp_path / "a.dat").write_text("text\nw1\n")
    with pytest.raises(UserError, match=r"a\.dat: unknown kind of file; .* or set input_format"):
        predict("a.dat", "b.jsonl")
    assert [row["text"] for row in rows_of(predict("a.dat", "b.jsonl", "input_format=txt"))] == ["text", "w1"]


def test_predict_gives_a_row_without_a_text_no_prediction_and_counts_it(tmp_path, predict, capsys):
    (tmp_path / "a.jsonl").write_text('{"text": "w1"}\n\n{"text": null}\n{"text": " "}\n{"text": "w2"}\n')
    found = rows_of(predict("a.jsonl", "b.jsonl"))
    assert [row["text"] for row in found] == ["w1", None, " ", "w2"]
    assert [row["predicted_category"] is None for row in found] == [False, True, True, False]
    assert found[1]["predicted_category_probability"] is None
    assert "no text, and so no prediction, in 2 of them: row 3, 4" in capsys.readouterr().err


def test_predict_names_the_row_that_has_no_text_and_leaves_nothing(tmp_path, predict):
    (tmp_path / "a.jsonl").write_text('{"text": "w1"}\n\n{"text": 5}\n')
    with pytest.raises(UserError, match=r"a\.jsonl row 3: text is 5 and no text"):
        predict("a.jsonl", "b.jsonl")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "bundle"]


@pytest.mark.slow
@pytest.mark.parametrize("options", [[], ["all_probabilities=true"]])
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_predict_of_no_rows_has_the_columns_of_one_with_rows(tmp_path, predict, ending, options):
    (tmp_path / "none.csv").write_text("text,id\n")
    (tmp_path / "one.csv").write_text("text,id\nw1,1\n")
    none, one = (predict(f"{name}.csv", f"{name}-out.{ending}", *options) for name in ("none", "one"))
    if ending == "parquet":
        assert parquet.read_schema(none) == parquet.read_schema(one)
        assert rows_of(none) == []
    else:
        assert none.read_text() == one.read_text().splitlines(keepends=True)[0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("review\nw1\n", "a.csv: no column 'text' for the text, set text"),
        ("text,predicted_category\n", "has a column 'predicted_category' already"),
        ("text,text\nw1,w2\n", "the column 'text' stands there twice"),
        ("", "a.csv: empty; its first row must name the columns"),
    ],
)
def test_predict_refuses_a_header_before_anything_is_written(tmp_path, predict, content, message):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(UserError, match=message):
        predict("a.csv", "b.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "bundle"]


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "parquet"])
def test_predict_adds_the_next_classes_by_top_k(tmp_path, predict, ending):
    some = [text for text in texts(12) if text.strip()]
    (tmp_path / "a.txt").write_text("\n".join(some))
    found = rows_of(predict("a.txt", f"b.{ending}", "top_k=3"))
    expected = Predictor.load(tmp_path / "bundle", precision="32-true", device="cpu").predict(some)
    for task in expected.tasks:
        ranked = np.argsort(-expected.probabilities[task.name], axis=1, kind="stable")
        for place in range(2, min(3, len(task.labels)) + 1):
            column = f"predicted_{task.name}_top{place}"
            assert [row[column] for row in found] == [task.labels[order[place - 1]] for order in ranked]
            shares = [float(row[f"{column}_probability"]) for row in found]
            expected_shares = np.sort(expected.probabilities[task.name])[:, -place]
            np.testing.assert_allclose(shares, expected_shares, rtol=1e-4)
        assert f"predicted_{task.name}_top{len(task.labels) + 1}" not in found[0]


def test_predict_refuses_a_top_k_below_one(tmp_path, predict):
    (tmp_path / "a.txt").write_text("w1")
    with pytest.raises(UserError, match="^top_k: 0 given; it must be 1 or more$"):
        predict("a.txt", "b.jsonl", "top_k=0")


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_predict_gives_the_sets_of_a_coverage(tmp_path, predict, tasks, ending):
    add_scores(tmp_path / "bundle", tasks)
    some = [text for text in texts(20) if text.strip()]
    (tmp_path / "a.txt").write_text("\n".join(some))
    found = rows_of(predict("a.txt", f"b.{ending}", "coverage={category: 0.9}"))
    predictor = Predictor.load(tmp_path / "bundle", precision="32-true", device="cpu")
    shares = predictor.predict(some).probabilities["category"]
    sets = predictor.select(coverage=0.9).label_sets(tasks[0], shares)
    column = [row["predicted_category_set"] for row in found]
    assert [json.loads(cell) for cell in column] if ending == "csv" else column == sets
    assert [row["predicted_category"] for row in found] == [labels[0] for labels in sets]
    assert "predicted_sentiment_set" not in found[0]


@pytest.mark.slow
@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_predict_gives_no_label_where_it_is_not_sure_enough(tmp_path, predict, tasks, ending):
    add_scores(tmp_path / "bundle", tasks)
    (tmp_path / "a.txt").write_text("\n".join(text for text in texts(20) if text.strip()))
    found = rows_of(predict("a.txt", f"b.{ending}", "accuracy={category: 0.95}"))
    predictor = Predictor.load(tmp_path / "bundle", precision="32-true", device="cpu")
    least = predictor.select(accuracy=0.95).least_answered["category"]
    for row in found:
        assert (row["predicted_category"] in (None, "")) == (float(row["predicted_category_probability"]) < least)
        assert row["predicted_sentiment"]
    assert any(row["predicted_category"] in (None, "") for row in found)


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["coverage=0"], "coverage: 0 given; it must be above 0 and below 1"),
        (["coverage=1"], "coverage: 1 given; it must be above 0 and below 1"),
        (["accuracy=2"], "accuracy: 2 given; it must be above 0 and below 1"),
        (["coverage=x"], "coverage: 'x' given; it must be a number"),
        (["accuracy=nan"], "accuracy: nan given; it must be a number"),
        (["accuracy={category: x}"], "accuracy.category: 'x' given; it must be above 0 and below 1"),
        (["accuracy={mood: 0.9}"], "accuracy: no task 'mood'; Valid: category, sentiment"),
        (["coverage=0.9", "accuracy=0.9"], "coverage and accuracy: both given; set one of them"),
        (["coverage=0.9"], "coverage: the model has no validation scores of category"),
    ],
)
def test_predict_refuses_what_cannot_be_promised_in_one_line(tmp_path, predict, options, line):
    (tmp_path / "a.txt").write_text("w1 w2\n")
    with pytest.raises(UserError) as caught:
        predict("a.txt", "b.csv", *options)
    assert str(caught.value).startswith(line)
    assert len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "b.csv").exists()

"""Predictions from a configuration to a file, on a tiny bundle."""

import csv
import json

import pytest
from hydra import compose, initialize_config_dir
from pyarrow import parquet
from support.bundles import make_bundle, texts
from support.commands import ROOT

from polyhead import Predictor
from polyhead.app.predict import run
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
    some = texts(20)
    lines = [json.dumps({"text": text, "id": str(i)}) for i, text in enumerate(some)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    found = rows_of(predict("a.jsonl", f"b.{ending}"))
    expected = Predictor.load(tmp_path / "bundle", precision="32-true", device="cpu").predict(some)
    assert [(row["text"], row["id"]) for row in found] == [(text, str(i)) for i, text in enumerate(some)]
    for task in ("category", "sentiment"):
        assert [row[f"predicted_{task}"] for row in found] == expected.labels(task)


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
        ("review\nw1\n", "has no column 'text'; it has review: set text=COLUMN"),
        ("text,predicted_category\n", "has a column 'predicted_category' already"),
        ("text,text\nw1,w2\n", "has 2 columns called 'text'"),
        ("", "is empty"),
    ],
)
def test_predict_refuses_a_header_before_anything_is_written(tmp_path, predict, content, message):
    (tmp_path / "a.csv").write_text(content)
    with pytest.raises(UserError, match=message):
        predict("a.csv", "b.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.csv", "bundle"]

"""The report of runs that training made, with two further test sets: nothing about their files is made up here."""

import json
from pathlib import Path

import numpy as np
import pytest
from support.commands import NO_PICTURES, TINY_ENCODER, script, train
from support.pages import Document

pytestmark = pytest.mark.slow

TESTED = {"test": ["category", "sentiment"], "news": ["sentiment"], "letters": ["category", "sentiment"]}


def sentences(count, start, category=True):
    """Yield lines of a CSV file: a text whose words decide its labels, except in one of five."""
    for i in range(start, start + count):
        place, good = i % 2, i // 2 % 2
        text = f"{('who', 'where')[place]} is {('bad', 'good')[good]} {i * 7919 % 997}"
        sentiment = ("neg", "pos")[good if i % 5 else 1 - good]
        yield f"{text},{('HUM', 'LOC')[place]},{sentiment}" if category else f"{text},{sentiment}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Runs of two conditions with two seeds each, and the report on them."""
    folder = tmp_path_factory.mktemp("real")
    for name, count in {"train": 60, "validation": 20, "test": 24, "letters": 20}.items():
        start = 1000 * len(name)  # other sentences in each file
        (folder / f"{name}.csv").write_text("\n".join(["text,category,sentiment", *sentences(count, start)]))
    (folder / "news.csv").write_text("\n".join(["text,sentiment", *sentences(30, 9000, category=False)]))
    done = train(
        "-m",
        "data=files",
        *(f"data.files.{split}={split}.csv" for split in ("train", "validation", "test")),
        "data.shifted={news: news.csv, letters: letters.csv}",
        *TINY_ENCODER,
        "accelerator=cpu",
        "trainer.max_epochs=8",
        *NO_PICTURES,
        "loader.batch_size=8",
        "optimizer.encoder_lr=3e-3",
        "optimizer.head_lr=1e-2",
        "freeze=none,backbone",
        "seed=0,1",
        "hydra.sweep.dir=sweep",
        cwd=folder,
        POLYHEAD_DATA=str(folder / "data"),
        POLYHEAD_TOKENS=str(folder / "tokens"),
        POLYHEAD_ACTIVATIONS=str(folder / "activations"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    done = script("report", str(folder / "sweep"), "--output", str(folder / "out"))
    assert done.returncode == 0, done.stderr
    (folder / "printed.md").write_text(done.stdout)
    return folder


@pytest.fixture(scope="module")
def content(folder):
    return json.loads((folder / "out.json").read_text())


def written(run):
    """Return a run's results by test set, from its file as it stands."""
    metrics = json.loads((Path(run) / "metrics.json").read_text())
    return {"test": metrics["test"], **metrics["extra_test_sets"]}


def mean_over_tasks(results):
    return np.mean([values["macro_f1"] for values in results.values()])


def test_real_runs_have_the_results_and_predictions_of_each_test_set(content):
    (run, *_) = content["conditions"][0]["runs"]
    assert {name: list(results) for name, results in written(run).items()} == TESTED
    with np.load(Path(run) / "predictions.npz") as arrays:
        for name, tasks in TESTED.items():
            for task in tasks:
                label, predicted = arrays[f"{name}/{task}/label"], arrays[f"{name}/{task}/predicted"]
                assert written(run)[name][task]["accuracy"] == pytest.approx(np.mean(label == predicted))


def test_json_of_real_runs_has_the_mean_over_seeds_for_each_test_set(content):
    assert [len(row["runs"]) for row in content["conditions"]] == [2, 2]
    for row in content["conditions"]:
        assert {name: sorted(scores) for name, scores in row["test"].items()} == {
            name: sorted(["mean", *tasks]) for name, tasks in TESTED.items()
        }
        for name, scores in row["test"].items():
            by_seed = [written(run)[name] for run in row["runs"]]
            assert scores["mean"]["value"] == pytest.approx(np.mean([mean_over_tasks(results) for results in by_seed]))
            for task in TESTED[name]:
                expected = np.mean([results[task]["macro_f1"] for results in by_seed])
                assert scores[task]["value"] == pytest.approx(expected)


def test_json_of_real_runs_compares_each_test_set_on_its_own(content):
    first, second = content["conditions"]
    assert first["differences"] == {}
    for name, tasks in TESTED.items():
        found = second["differences"][name]
        assert sorted(found) == sorted(["mean", *tasks])
        for task, difference in found.items():
            value = second["test"][name][task]["value"] - first["test"][name][task]["value"]
            assert difference["value"] == pytest.approx(value)
            assert (difference["seeds"], difference["rows"]) == (2, True)
    assert len({found["mean"]["value"] for found in second["differences"].values()}) == len(TESTED)


def test_confusion_matrices_of_real_runs_count_the_sentences_of_each_test_set(folder, content):
    for row in content["conditions"]:
        for name, tasks in row["confusion"].items():
            sentences = len((folder / f"{name}.csv").read_text().splitlines()) - 1
            for table in tasks.values():
                assert sum(map(sum, table.values())) == 2 * sentences  # of two seeds


def test_markdown_of_real_runs_has_columns_for_each_test_set_in_80_characters(folder, content):
    text = (folder / "out.md").read_text()
    assert text == (folder / "printed.md").read_text()
    heads = [line for line in text.splitlines() if "# |" in line]
    titles = [cell.strip() for line in heads for cell in line.split("|")]
    for name, tasks in TESTED.items():
        for task in ["mean", *tasks]:
            assert titles.count(f"{name}: {task}") == 1
        assert titles.count(f"Δ {name}: mean") == 1
        assert f"{content['conditions'][0]['test'][name]['mean']['value']:.3f} ±" in text
    assert max(map(len, text.splitlines())) <= 80
    assert "macro-F1 on test, news and letters" in text


def test_page_of_real_runs_shows_each_test_set_on_its_own(folder):
    page = Document((folder / "out.html").read_text())
    table, by_task, _, _, differences = page.tables[:5]
    for name, tasks in TESTED.items():
        assert {f"{name}: mean", f"Δ {name}: mean"} <= set(table[0])
        assert {f"{name}: {task}" for task in ["mean", *tasks]} <= {row[0] for row in by_task}
        assert {f"{name}: {task}" for task in ["mean", *tasks]} <= set(differences[0])
        assert f"macro-F1, {name}, mean over tasks" in page.text  # a figure of its own
        for task in tasks:
            assert f"#1 {task} ({name})" in page.text
    assert len({len(row) for row in table}) == len({len(row) for row in differences}) == 1
    assert page.text.count("On news, #2:") == page.text.count("On letters, #2:") == 1

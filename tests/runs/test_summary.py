from pathlib import Path

import pytest
from rich.console import Console
from support.run_folders import make_metrics

from polyhead.runs.summary import show, summary_table

TASK = {"accuracy": 0.91234, "macro_f1": 0.9, "loss": 0.31}


def summary_of(**changes):
    results = {"category": TASK, "sentiment": {**TASK, "accuracy": 0.5}}
    values = {
        "test": {"category": {**TASK, "accuracy": 0.7}, "sentiment": TASK},
        "parameters": {"trainable": 3465, "total": 22_568_841},
        "seconds": {"total": 61.25, "training": 40.0},
        "sentences_per_second": 300.4,
        "peak_megabytes": {"process": 1234.5, "gpu": 2000.0},
        "activation_cache": {"reused": 2, "computed": 1},
        "precision": "bf16-mixed",
    }
    return make_metrics(results, **values | changes)


def rendered(metrics):
    console = Console(width=80)
    with console.capture() as capture:
        console.print(summary_table(metrics))
    return capture.get()


def test_summary_has_a_row_for_every_task_and_split():
    text = rendered(summary_of())
    for value in ("0.9123", "0.5000", "0.7000", "macro-F1", "loss (nats)"):
        assert value in text
    assert text.count("validation") == text.count("test") == 2


def test_summary_fits_80_columns_with_whole_numbers_and_names_however_long():
    task, split = "a_task_" * 15, "another-test-set-" * 6
    results = {task: TASK | {"loss": 1234.5678}}
    text = rendered(make_metrics(results, {split: results}))
    assert max(map(len, text.splitlines())) <= 80
    assert "…" not in text
    assert text.count("1234.5678") == 3  # on validation, test and the extra test set
    folded = "".join(line.split("│")[1].strip() for line in text.splitlines() if line.startswith("│"))
    assert folded.count(task) == 3


@pytest.mark.parametrize(
    "sentence",
    [
        "3,465 of 22,568,841 parameters (0.02%)",
        "epochs 3, counted from 0; the best was epoch 1",
        "seconds 61.2, training 40.0 at 300 sentences per second",
        "1,234 MB (process), 2,000 MB (gpu)",
        "frozen activations 2 splits reused, 1 split computed",
        "bf16-mixed on cpu",
    ],
)
def test_summary_states_the_costs(sentence):
    assert sentence in rendered(summary_of())


def test_summary_says_that_nothing_was_trained_or_stored():
    text = rendered(summary_of(best_epoch=None, epochs=0, sentences_per_second=None, activation_cache={}))
    lines = [line.strip() for line in text.splitlines()]
    assert {"epochs 0", "seconds 61.2, nothing trained", "frozen activations none stored"} <= set(lines)


def test_summary_has_extra_test_sets_with_the_tasks_they_have_labels_for():
    text = rendered(summary_of(extra_test_sets={"news": {"category": TASK}}))
    assert text.count("news") == 1


def test_show_prints_the_folder_in_one_piece(capsys):
    folder = Path("/a/folder/" + "x" * 100)
    show(summary_of(), folder)
    assert capsys.readouterr().out.endswith(f"run: {folder}\n")


def test_show_says_where_the_curves_are_that_lie_in_files(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "a sweep" / "0_seed=0"
    folder.mkdir(parents=True)
    (folder / "events.out.tfevents.1.vm.0").touch()
    (folder / "metrics.csv").touch()
    show(summary_of(), folder)
    shown = capsys.readouterr().out.splitlines()
    assert shown[-2:] == ["curves: tensorboard --logdir 'a sweep'", f"curves: {folder}/metrics.csv"]


def test_summary_of_several_kinds_has_the_scores_of_each_in_one_column_without_a_validation_split_too():
    results = {"category": TASK, "stars": {"kind": "number", "spearman": 0.75, "mae": 1.5, "loss": 0.5}}
    text = rendered(make_metrics({}, test=results))
    assert "accuracy 0.9123, macro-F1 0.9000" in text
    assert "Spearman 0.7500, MAE 1.5000" in text

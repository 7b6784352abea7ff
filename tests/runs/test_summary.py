from rich.console import Console

from polyhead.runs.summary import summary_table

TASK = {"accuracy": 0.91234, "macro_f1": 0.9, "loss": 0.31}
METRICS = {
    "validation": {"category": TASK, "sentiment": {**TASK, "accuracy": 0.5}},
    "test": {"category": {**TASK, "accuracy": 0.7}, "sentiment": TASK},
    "epochs": 3,
    "best_epoch": 1,
    "parameters": {"trainable": 3465, "total": 22_568_841},
    "seconds": {"total": 61.25, "training": 40.0},
    "sentences_per_second": 300.4,
    "peak_megabytes": {"process": 1234.5, "gpu": 2000.0},
    "features": {"reused": 2, "computed": 1},
    "precision": "bf16-mixed",
    "device": "cpu",
}


def rendered(table):
    console = Console(width=80)
    with console.capture() as capture:
        console.print(table)
    return capture.get()


def test_every_task_and_split_has_its_row_within_eighty_columns():
    text = rendered(summary_table(METRICS))
    assert "…" not in text
    assert [value in text for value in ("0.9123", "0.5000", "0.7000", "macro-F1", "loss (nats)")] == [True] * 5
    assert text.count("validation") == text.count("test") == 2


def test_costs():
    text = rendered(summary_table(METRICS))
    assert "3,465 of 22,568,841 parameters (0.02%)" in text
    assert "epochs 3, the best was the 2." in text
    assert "seconds 61.2, training 40.0 at 300 sentences per second" in text
    assert "1,234 MB (process), 2,000 MB (gpu)" in text
    assert "2 splits reused, 1 splits computed" in text
    assert "bf16-mixed on cpu" in text


def test_nothing_trained():
    untouched = {**METRICS, "best_epoch": None, "epochs": 0, "sentences_per_second": None, "features": {}}
    assert "nothing trained" in rendered(summary_table(untouched))
    assert "none stored" in rendered(summary_table(untouched))


def test_shifted_test_sets_have_rows_for_the_tasks_they_have_labels_for():
    (task, values), *_ = METRICS["validation"].items()
    text = rendered(summary_table({**METRICS, "shifted": {"news": {task: values}}}))
    assert text.count("news") == 1

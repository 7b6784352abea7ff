"""Cross-validation as a user runs it: each sentence predicted once by a model that has not seen it."""

import csv
import json
from functools import partial

import pytest
from support.commands import NO_HEALTH, NO_PICTURES, TINY_ENCODER, script, train

FOLDS = 3
COMMON = [
    *TINY_ENCODER,
    *NO_PICTURES,
    *NO_HEALTH,
    "accelerator=cpu",
    "trainer.max_epochs=2",
    "logger=none",
    "freeze=backbone",
]
COMMON += ["heads=trained"]  # so that each fold leaves a checkpoint that one might want to resume
DATA = ["data=files", "data.files.train=train.csv", "tasks=[mood]", f"data.folds={FOLDS}"]


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folds")
    rows = [(f"sentence {i} is {'good' if i % 2 else 'bad'}", ("neg", "pos")[i % 2]) for i in range(60)]
    rows.append(rows[4])  # the same text once more
    with (folder / "train.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("text", "mood"), *rows])
    stores = {f"POLYHEAD_{name}": str(folder / name.lower()) for name in ("DATA", "TOKENS", "ACTIVATIONS")}
    done = train(*COMMON, *DATA, "hydra.run.dir=all", cwd=folder, **stores)
    assert done.returncode == 0, done.stderr
    return folder, rows, stores, done.stdout


@pytest.mark.slow
def test_folds_predict_each_sentence_once_in_the_order_of_the_file(made):
    folder, rows, _, _ = made
    with (folder / "all" / "oof.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert [(row["text"], row["mood_label"]) for row in found] == rows
    assert [int(row["row"]) for row in found] == list(range(1, 62))
    assert found[4]["fold"] == found[60]["fold"]  # equal texts together
    sizes = [sum(row["fold"] == str(fold) for row in found) for fold in range(FOLDS)]
    assert max(sizes) - min(sizes) <= 2
    assert all(0.5 <= float(row["mood_probability"]) <= 1 for row in found)
    for fold in range(FOLDS):
        metrics = json.loads((folder / "all" / f"fold={fold}" / "metrics.json").read_text())
        hits = [row["mood_label"] == row["mood_predicted"] for row in found if row["fold"] == str(fold)]
        assert metrics["test"]["mood"]["accuracy"] == pytest.approx(sum(hits) / len(hits))


@pytest.mark.slow
def test_folds_name_the_sentences_that_a_quick_try_tests(made):
    folder, rows, stores, _ = made
    quick = ["+trainer.limit_test_batches=1", "loader.evaluation_batch_size=8", "hydra.run.dir=quick"]
    done = train(*COMMON, *DATA, *quick, cwd=folder, **stores)
    assert done.returncode == 0, done.stderr
    with (folder / "quick" / "oof.csv").open(newline="") as file:
        found = list(csv.DictReader(file))
    assert len(found) == FOLDS * 8
    assert all((row["text"], row["mood_label"]) == rows[int(row["row"]) - 1] for row in found)


@pytest.mark.slow
def test_folds_give_mean_and_interval_of_their_runs(made):
    folder, _, _, shown = made
    runs = [json.loads((folder / "all" / f"fold={fold}" / "metrics.json").read_text()) for fold in range(FOLDS)]
    losses = [run["test"]["mood"]["loss"] for run in runs]
    found = json.loads((folder / "all" / "metrics.json").read_text())
    assert found["folds"] == FOLDS
    assert found["test"]["mood"]["loss"]["values"] == losses
    assert found["test"]["mood"]["loss"]["mean"] == pytest.approx(sum(losses) / FOLDS)
    assert f"{sum(losses) / FOLDS:.3f} ±" in shown


@pytest.mark.slow
def test_folds_share_the_activations_of_a_frozen_encoder(made):
    folder, *_ = made
    runs = [json.loads((folder / "all" / f"fold={fold}" / "metrics.json").read_text()) for fold in range(FOLDS)]
    counts = [run["activation_cache"] for run in runs]
    assert [count.get("computed", 0) for count in counts] == [1, 0, 0]


@pytest.mark.slow
def test_fold_alone_is_the_run_that_it_is_among_all(made):
    folder, _, stores, _ = made
    done = train(*COMMON, *DATA, "data.fold=1", "hydra.run.dir=one", cwd=folder, **stores)
    assert done.returncode == 0, done.stderr
    one, among = (json.loads((folder / run / "metrics.json").read_text()) for run in ("one", "all/fold=1"))
    assert one["test"] == among["test"]


@pytest.mark.slow
def test_report_reads_the_runs_of_folds_and_not_their_folder(made):
    folder, *_ = made
    done = script("report", str(folder / "all"), "--output", str(folder / "report"))
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
def test_folds_are_refused_beside_a_test_split(made_files):
    done = train(*COMMON, *DATA, "data.files.test=train.csv", cwd=made_files, POLYHEAD_DATA=str(made_files / "data"))
    assert done.returncode == 2
    assert "data.folds: a test split is given, and folds test each sentence of train; leave one out" in done.stderr


@pytest.fixture
def made_files(tmp_path):
    rows = "".join(f"sentence {i},{'ab'[i % 2]}\n" for i in range(30))
    (tmp_path / "train.csv").write_text("text,mood\n" + rows)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        (train, [*DATA, "resume=all/fold=0"], """quotes inside quotes: 'resume="all/fold=0"'"""),
        (train, ['resume="all/fold=0"', "hydra.run.dir=b"], "resume=auto continues them all, and data.fold=N one"),
        (partial(script, "tune"), [*COMMON, *DATA], "data.folds: 3 given, and a study looks at the validation"),
    ],
)
def test_folds_are_refused_where_one_run_is_meant(made, command, arguments, message):
    folder, _, stores, _ = made
    done = command(*arguments, cwd=folder, **stores)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.splitlines()) == 1

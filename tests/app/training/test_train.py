"""Whole runs of ``python train.py``, on a tiny encoder or on the packaged one."""

import json
import os

import numpy as np
import pytest
import torch
import yaml
from support.commands import NO_PICTURES, SMALL_DATA, TINY, TINY_ENCODER, train
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from polyhead.training.checkpoints import load_checkpoint

pytestmark = pytest.mark.slow


def read(folder, name):
    return json.loads((folder / name).read_text())


@pytest.fixture(scope="module")
def default_run(tmp_path_factory):
    """The packaged encoder on little data, everything else as it ships."""
    folder = tmp_path_factory.mktemp("default")
    return train(*SMALL_DATA, "trainer.log_every_n_steps=1", "hydra.run.dir=run", cwd=folder), folder / "run"


def test_a_run_shows_progress_tables_and_where_it_lies(default_run):
    done, folder = default_run
    assert done.returncode == 0, done.stderr
    for shown in (
        "trainable 22,568,841 of 22,568,841 (100.00 %)",
        "Epoch 1/1",
        "loss:",
        "category",
        "sentiment",
        "macro-F1",
        "sentences per second",
        str(folder),
        "tensorboard --logdir",
    ):
        assert shown in " ".join(done.stdout.split()), shown
    assert "Warning" not in done.stdout + done.stderr
    assert "INFO" not in done.stdout + done.stderr


def test_a_run_leaves_its_files_and_their_content(default_run):
    _, folder = default_run
    assert {
        "config.yaml",
        "metrics.json",
        "provenance.json",
        "predictions.npz",
        "train.log",
        "checkpoints",
    } <= set(os.listdir(folder))
    assert set(os.listdir(folder / "checkpoints")) == {"best.ckpt", "last.ckpt", "SHA256SUMS"}
    assert yaml.safe_load((folder / "config.yaml").read_text())["data"]["sizes"]["train"] == 64
    metrics = read(folder, "metrics.json")
    for split in ("validation", "test"):
        for task, classes in (("category", 6), ("sentiment", 3)):
            values = metrics[split][task]
            assert 0 <= values["macro_f1"] <= 1
            assert len(values["f1"]) == len(values["confusion"]) == classes
            assert sum(map(sum, values["confusion"])) == 32
    assert metrics["parameters"] == {"trainable": 22_568_841, "total": 22_568_841}
    assert metrics["monitor"]["metric"] == "validation/macro_f1"
    assert metrics["sentences_per_second"] > 0
    assert metrics["peak_megabytes"]["process"] > 100
    assert metrics["activation_cache"].keys() <= {"reused", "computed"}  # of the embeddings that heads are solved over
    assert read(folder, "provenance.json")["choices"]["freeze"] == "none"


def test_a_run_s_events_hold_curves_pictures_and_choices(default_run):
    _, folder = default_run
    events = EventAccumulator(str(folder), size_guidance={"images": 0}).Reload()
    scalars, images = set(events.Tags()["scalars"]), set(events.Tags()["images"])
    for task in ("category", "sentiment"):
        assert {f"train/{task}/loss", f"validation/{task}/macro_f1", f"weights/{task}"} <= scalars
        assert f"test/{task}/confusion" in images
    assert {"lr-AdamW/encoder", "lr-AdamW/heads.category"} <= scalars
    assert {"gradients/encoder.layers.05", "gradients/heads.category"} <= scalars
    assert "test/sentiment/Neutral" in events.PluginTagToContent("pr_curves")
    assert (folder / "projector_config.pbtxt").exists()
    outcome = EventAccumulator(str(folder)).Reload()
    assert "_hparams_/session_start_info" in outcome.PluginTagToContent("hparams")


def test_the_best_checkpoint_holds_weights_and_their_metrics(default_run):
    _, folder = default_run
    best = load_checkpoint(folder / "checkpoints" / "best.ckpt")
    assert best["results"]["validation"] == read(folder, "metrics.json")["validation"]
    assert best["state_dict"]["model.heads.category.1.weight"].shape == (6, 384)
    assert "optimizer_states" not in best or not best["optimizer_states"]


def test_freeze_all_evaluates_the_untouched_network_as_a_run(tmp_path):
    done = train(*TINY, "freeze=all", "hydra.run.dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "trainable 0 of" in done.stdout
    metrics = read(tmp_path / "run", "metrics.json")
    assert (metrics["epochs"], metrics["parameters"]["trainable"]) == (0, 0)
    assert metrics["test"]["sentiment"]["loss"] > 0
    kept = load_checkpoint(tmp_path / "run" / "checkpoints" / "best.ckpt")  # for whoever exports the baseline
    assert kept["results"]["validation"] == metrics["validation"]


def test_a_multirun_leaves_a_folder_a_run_and_one_failure_does_not_lose_the_others(tmp_path):
    sweep = ["freeze.frozen=[encoder],[nothing],[]", "hydra.sweep.dir=sweep"]
    done = train("-m", *TINY, *sweep, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stdout + done.stderr
    assert "error: freeze.frozen: the model has no 'nothing'" in done.stderr
    runs = [path for path in (tmp_path / "sweep").iterdir() if path.is_dir()]
    failed = {run for run in runs if not (run / "metrics.json").exists()}
    assert (len(runs), len(failed)) == (3, 1)
    for run in set(runs) - failed:
        assert {"config.yaml", "metrics.json", "checkpoints"} <= set(os.listdir(run))
        assert list(run.glob("events.*"))
    for run in failed:
        assert "the model has no 'nothing'" in (run / "train.log").read_text()


def test_a_run_that_stopped_is_resumed(tmp_path):
    first = train(*TINY, "hydra.run.dir=first", "+trainer.limit_test_batches=1", cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    more = [*TINY, "resume=first/checkpoints/last.ckpt", "trainer.max_epochs=3", "hydra.run.dir=second"]
    second = train(*more, cwd=tmp_path)
    assert second.returncode == 0, second.stderr
    assert read(tmp_path / "second", "metrics.json")["epochs"] == 3
    assert sorted(os.listdir(tmp_path / "second" / "checkpoints")) == ["SHA256SUMS", "best.ckpt", "last.ckpt"]


def test_a_folder_with_a_run_in_it_is_left_alone(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("precious")
    done = train(*TINY, "hydra.run.dir=run", cwd=tmp_path)
    assert done.returncode == 2
    assert "holds another run" in done.stderr
    assert (tmp_path / "run" / "config.yaml").read_text() == "precious"


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path):
    (tmp_path / "runs").write_text("a file where a folder should be")
    done = train(*TINY, cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr.startswith("error: runs/")
    assert "see that it is there and that you may use it, or choose another folder" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.fixture
def own_files(tmp_path):
    """Two sources with a task each, and two test sets, the shifted one without categories."""
    questions = [f"why {'who' if i % 2 else 'where'} {i},{('LOC', 'HUM')[i % 2]}\n" for i in range(60)]
    tweets = [f"so {'good' if i % 2 else 'bad'} {i}\t{('neg', 'pos')[i % 2]}\n" for i in range(90)]
    (tmp_path / "questions.csv").write_text("text,category\n" + "".join(questions))
    (tmp_path / "tweets.tsv").write_text("text\tsentiment\n" + "".join(tweets))
    rows = ('{"text": "who", "category": "HUM", "sentiment": "pos"}\n', '{"text": "where", "category": "LOC"}\n')
    (tmp_path / "test.jsonl").write_text(rows[0] * 7 + rows[1] * 2)
    (tmp_path / "news.csv").write_text('text,sentiment\n"bad, bad news",neg\nfine,pos\n')
    return [
        "data=files",
        "data.files.train={questions: questions.csv, tweets: tweets.tsv}",
        "data.files.test=test.jsonl",
        "data.shifted={news: news.csv}",
        "data.mixing=equal",
    ]


def test_own_files_train_both_tasks_on_disjoint_sources_in_two_processes(tmp_path, own_files):
    stores = {"POLYHEAD_DATA": str(tmp_path / "data"), "POLYHEAD_TOKENS": str(tmp_path / "tokens")}
    arguments = [*own_files, *TINY_ENCODER, "accelerator=ddp_cpu", "trainer.max_epochs=2", "hydra.run.dir=run"]
    done = train(*arguments, "weighting=uncertainty", cwd=tmp_path, **stores)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout.count("train: 150 sentences; labels: category 60, sentiment 90") == 1
    assert done.stdout.count("validation: none given; 15 of 150 training sentences held out") == 1
    assert "news" in done.stdout
    assert done.stdout.count("macro-F1") == 1  # by one process alone
    config = yaml.safe_load((tmp_path / "run" / "config.yaml").read_text())
    assert config["tasks"] == {"category": ["HUM", "LOC"], "sentiment": ["neg", "pos"]}
    metrics = read(tmp_path / "run", "metrics.json")
    rows = {name: sum(map(sum, values["confusion"])) for name, values in metrics["test"].items()}
    assert rows == {"category": 9, "sentiment": 7}  # every row once, over both processes
    with np.load(tmp_path / "run" / "predictions.npz") as arrays:
        label, predicted = arrays["test/category/label"], arrays["test/category/predicted"]
    counts = np.zeros((2, 2), dtype=int)
    np.add.at(counts, (label, predicted), 1)
    assert counts.tolist() == metrics["test"]["category"]["confusion"]
    assert list(metrics["extra_test_sets"]["news"]) == ["sentiment"]
    assert sum(map(sum, metrics["extra_test_sets"]["news"]["sentiment"]["confusion"])) == 2
    assert metrics["test"]["category"]["temperature"] == metrics["validation"]["category"]["temperature"] != 1
    assert (tmp_path / "run" / "mistakes.csv").is_file()
    assert (tmp_path / "run" / "mistakes_news.csv").is_file()
    assert len(list((tmp_path / "tokens").iterdir())) == 4  # a split each, nothing half-written


def test_problems_of_own_files_are_reported_before_weights_load(tmp_path, own_files):
    (tmp_path / "tweets.tsv").write_text("text\tsentiment\n \tpos\nso good\tpos\nso bad\tneg\n")
    (tmp_path / "news.csv").write_text("text,sentiment\nfine,positive\n")
    done = train(*own_files, "optimizer.head_lr=0", cwd=tmp_path, POLYHEAD_DATA=str(tmp_path / "data"))
    assert done.returncode == 2
    assert [line.split(":")[1].strip() for line in done.stderr.splitlines()] == [
        "news.csv row 2",
        "optimizer.head_lr",
    ]


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
def test_a_run_on_a_gpu_says_so(tmp_path):
    done = train(*SMALL_DATA, "freeze=backbone", "trainer.accelerator=gpu", "hydra.run.dir=run", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert read(tmp_path / "run", "metrics.json")["device"] == "cuda"


def test_a_run_with_equal_weights_is_that_without_and_one_with_other_weights_is_not_done_already(tmp_path):
    def write(weight):
        lines = [f"a {('dull', 'fine')[i % 2]} thing {i},{('bad', 'good')[i % 2]},{weight(i)}\n" for i in range(60)]
        (tmp_path / "a.csv").write_text("text,mood,trust\n" + "".join(lines))

    own = ["data=files", "data.files.train=a.csv", "tasks=[mood]", "data.cache=tables", *TINY_ENCODER, *NO_PICTURES]
    own += ["accelerator=cpu", "logger=none", "trainer.max_epochs=1", "resume=auto"]
    write(lambda i: 3)
    for name, given in {"plain": [], "weighted": ["data.weight=trust"]}.items():
        done = train(*own, *given, f"run_dir={name}", cwd=tmp_path)
        assert done.returncode == 0, done.stderr
    plain, weighted = (tmp_path / name for name in ("plain", "weighted"))
    assert read(plain, "metrics.json")["test"] == read(weighted, "metrics.json")["test"]
    digests = [read(folder, "provenance.json")["data"] for folder in (plain, weighted)]
    assert digests[0].pop("train") != digests[1].pop("train")
    assert digests[0] == digests[1]
    write(lambda i: 1 + i % 3)
    done = train(*own, "data.weight=trust", "run_dir=weighted", cwd=tmp_path)
    assert done.returncode == 2
    assert "the train sentences are not those that 'weighted' had" in done.stderr

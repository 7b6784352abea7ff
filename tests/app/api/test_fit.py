"""``polyhead.fit``: the run that the command makes, asked for in Python, and what can be done with it."""

import json
import logging
import os
import pickle
import shlex
import warnings
from functools import partial

import numpy as np
import pandas as pd
import pytest
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.hydra_config import HydraConfig
from support.commands import NO_PICTURES, ROOT, TINY, TINY_ENCODER, run, script, train
from support.configs import CONFIGS

import polyhead
from polyhead.app.terminal.run_log import kept_logging
from polyhead.app.training.train import run as run_training
from polyhead.objectives.weighting import Weighting
from polyhead.runs.folder import RunFolder
from polyhead.runs.predictions import Predictions
from polyhead.storage.rows import Row

WORDS = [word.partition("=") for word in (*TINY_ENCODER, *NO_PICTURES)]
SMALL = {key: yaml.safe_load(value) if sign else None for key, sign, value in WORDS}
TASKS = ["tone", "stars"]
MEASURED = ("validation", "test", "epochs", "best_epoch", "monitor", "parameters", "precision")


def rows(count, start=0) -> list[Row]:
    words = {"good": ["fine", "lovely", "nice"], "bad": ["awful", "poor", "dull"]}
    numbers = range(start, start + count)
    tones = [["good", "bad"][number % 2] for number in numbers]
    return [
        {"review": f"{words[tone][number % 3]} thing {number}", "tone": tone, "stars": number % 3}
        for number, tone in zip(numbers, tones, strict=True)
    ]


class Leaning(Weighting):
    """More weight on one task: a weighting of the user's own."""

    def __init__(self, tasks, share):
        super().__init__(tasks)
        self.own = share

    def weigh(self, losses, labelled, gradients):
        return labelled * self.own


def fit(train, **given):
    options = {**SMALL, **given.pop("options", {})}
    fixed = {"text": "review", "tasks": TASKS, "accelerator": "cpu", "quiet": True, "epochs": 2}
    return polyhead.fit(train, **{**fixed, **given}, options=options)


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """The folder that all runs of this module are made in, with caches of its own."""
    place = tmp_path_factory.mktemp("fit")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        for name in ("ACTIVATIONS", "TOKENS", "DATA"):
            patch.setenv(f"POLYHEAD_{name}", str(place / name.lower()))
        patch.delenv("POLYHEAD_RUN_DIR", raising=False)
        for name, count in (("train", 60), ("test", 30)):
            pd.DataFrame(rows(count, start=len(name))).to_csv(f"{name}.csv", index=False)
        yield place


@pytest.fixture(scope="module")
def made(place):
    """A run of files."""
    return fit("train.csv", test="test.csv", freeze="lower_layers", seed=3, options={"freeze.count": 1})


def contents(folder):
    config = (folder / "config.yaml").read_text().replace(str(folder), "RUN")
    metrics = json.loads((folder / "metrics.json").read_text())
    return yaml.safe_load(config), {key: metrics[key] for key in MEASURED}


def assert_same_run(first, second):
    assert contents(first) == contents(second)
    predicted = [Predictions.read(RunFolder(folder)) for folder in (first, second)]
    for task in TASKS:
        np.testing.assert_array_equal(predicted[0].predicted["test"][task], predicted[1].predicted["test"][task])


@pytest.mark.slow
def test_fit_is_the_run_that_the_command_makes_bit_for_bit(made, place):
    words = made.command
    assert words[:2] == ["polyhead", "train"]
    done = train(*words[2:], "hydra.run.dir=again", cwd=place)
    assert done.returncode == 0, done.stderr
    assert_same_run(made.folder, place / "again")
    stable = [{name.split(".")[0] for name in os.listdir(folder)} for folder in (made.folder, place / "again")]
    assert stable[0] == stable[1]
    noted = [json.loads((folder / "provenance.json").read_text()) for folder in (made.folder, place / "again")]
    assert noted[0]["overrides"] == noted[1]["overrides"]
    assert noted[0]["choices"] == noted[1]["choices"]


@pytest.mark.slow
def test_fit_of_a_frame_and_an_object_is_made_again_by_the_command_it_notes(made, place):
    frames = {name: pd.read_csv(f"{name}.csv") for name in ("train", "test")}
    freeze = polyhead.freezing.FreezeSpec(["encoder.embeddings", "encoder.layers[:1]"])
    ours = fit(frames["train"], test=frames["test"], freeze=freeze, seed=3, run_dir="runs/frames", logger="none")
    assert ours.metrics.test == made.metrics.test
    command = ROOT / "src" / "polyhead" / "commands" / "train.py"
    done = run(command, *ours.command[2:], "hydra.run.dir=frames-again", cwd=place)
    assert done.returncode == 0, done.stderr
    assert_same_run(ours.folder, place / "frames-again")


@pytest.mark.slow
def test_fit_takes_a_weighting_of_the_users_own(place):
    source = {"first": rows(30), "second": pd.DataFrame(rows(30, start=30))[["review", "tone"]]}
    ours = fit(source, weighting=Leaning(["any"], share=0.5), options={"test": False}, heads="trained", logger="none")
    config = yaml.safe_load((ours.folder / "config.yaml").read_text())
    assert config["weighting"] == {"_target_": f"{__name__}.Leaning", "share": 0.5}
    assert {*config["data"]["files"]["train"]} == {"first", "second"}
    with pytest.raises(polyhead.UserError, match="trust="):
        polyhead.Run(ours.folder).predict(["a"])
    assert len(ours.predict(["a"])) == 1


@pytest.mark.slow
def test_fit_leaves_loggers_and_hydra_as_they_were(place):
    loggers = [logging.getLogger(name) for name in (None, "polyhead", "lightning", "lightning.pytorch")]
    before = [(logger.level, [*logger.handlers]) for logger in loggers]
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        HydraConfig.instance().set_config(compose("train", return_hydra_config=True))
        known = HydraConfig.get()
        with pytest.raises(polyhead.UserError, match="nope.csv"):
            fit("nope.csv", quiet=False)
        assert HydraConfig.get() is known
        assert compose("train").seed == 0
    HydraConfig.instance().cfg = None
    assert before == [(logger.level, [*logger.handlers]) for logger in loggers]


def test_logging_is_kept_around_what_a_run_changes():
    lightning = logging.getLogger("lightning.pytorch")
    before = [*lightning.handlers], lightning.level, warnings.showwarning
    with kept_logging():
        lightning.handlers.clear()
        lightning.setLevel("ERROR")
        logging.captureWarnings(True)
    assert before == ([*lightning.handlers], lightning.level, warnings.showwarning)


@pytest.mark.slow
def test_plainly_composed_configuration_trains_without_hydra(place):
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        config = compose("train", overrides=[*TINY, "freeze=backbone", "test=false", "logger=none"])
    assert run_training(config, quiet=True) > 0
    assert json.loads((place / config.run_dir / "provenance.json").read_text())["choices"] == {}


@pytest.mark.slow
def test_run_predicts_and_embeds_as_its_bundle_and_as_the_commands(made, place):
    texts = [row["review"] for row in rows(20)]
    predicted = made.predict(texts)
    bundle = made.export("bundle")
    assert polyhead.Predictor.load(bundle).predict(texts).to_frame().equals(predicted.to_frame())
    assert [*predicted.to_frame().columns] == [
        f"predicted_{task}{end}" for task in TASKS for end in ("", "_probability")
    ]
    (place / "texts.txt").write_text("\n".join(texts))
    done = script("encode", "input=texts.txt", "output=embeddings.npy", f"run={made.folder}", cwd=place)
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(made.encode(texts), np.load(place / "embeddings.npy"))
    np.testing.assert_allclose(np.linalg.norm(made.encode(texts, normalize=True), axis=1), 1, rtol=1e-6)
    assert pickle.loads(pickle.dumps(made)).predict(texts).to_frame().equals(predicted.to_frame())


@pytest.mark.slow
def test_run_scores_later_sentences_as_its_test_set(made, place):
    again = polyhead.Run(made.folder)
    frame = pd.read_csv("test.csv")
    assert again.evaluate("test.csv").test == made.metrics.test
    assert not (place / "evaluation").exists()
    assert again.evaluate(frame, output="evaluation", mistakes=2).test == made.metrics.test
    assert (place / "evaluation" / "mistakes.csv").is_file()
    with pytest.raises(polyhead.UserError, match="sentences: no column 'review'; did you mean 'reveiw'"):
        again.evaluate([{"reveiw": "a", "tone": "good"}])
    with pytest.raises(polyhead.UserError, match="mistaks: no such option; did you mean 'mistakes'"):
        again.evaluate(frame, mistaks=2)


@pytest.mark.slow
def test_run_and_comparison_show_themselves_in_notebooks(made):
    page = made._repr_html_()
    assert page.count("<tr>") == 1 + 2 * len(TASKS)
    assert f"{made.metrics.test['tone']['macro_f1']:.4f}" in page
    report = polyhead.compare([made])
    assert "macro-F1" in str(report)
    assert report._repr_html_().startswith("<iframe srcdoc=")
    assert "no folder" not in repr(made)


def test_run_that_is_not_finished_says_so_in_place_of_a_table(tmp_path):
    assert "a finished run" in polyhead.Run(tmp_path)._repr_html_()
    (tmp_path / "fold=0").mkdir()
    assert "holds the runs of data.folds" in polyhead.Run(tmp_path)._repr_html_()


BAD = {
    "no file 'nope.csv'": lambda: fit("nope.csv"),
    "freeze=backbon: no such option; did you mean 'backbone'": lambda: fit("train.csv", freeze="backbon"),
    "frezee: fit has no such parameter; did you mean 'freeze'": lambda: fit("train.csv", frezee="none"),
    "optimizer.encodr_lr: no such key": lambda: fit("train.csv", options={"optimizer.encodr_lr": 1}),
    "optimizer.encoder_lr: 'x' given; it must be a number": lambda: fit("x.csv", options={"optimizer.encoder_lr": "x"}),
    "tasks: 'tone' given; it must be a list": lambda: fit("train.csv", tasks="tone"),
    "tasks: missing": lambda: fit("train.csv", tasks=None),
    "train: list given; it must be paths, frames": lambda: fit([]),
    "train: no column 'review'; did you mean 'revue'": lambda: fit([{"revue": "a", "tone": "x", "stars": 1}]),
    "train: no column 'tone'": lambda: fit([{"review": "a", "stars": 1}]),
    "test: given without train": lambda: fit(None, test="test.csv"),
    "data: 'files' given beside train": lambda: fit("train.csv", data="files"),
    "config_dir: no folder 'nowhere'": lambda: fit("train.csv", config_dir="nowhere"),
    "trainer.max_epochs: 'three' given": lambda: fit("train.csv", epochs="three"),
    "seed: set given": lambda: fit("train.csv", seed={1}),
    "weighting: a partial with arguments without names": lambda: fit("train.csv", weighting=partial(Leaning, 2)),
}


@pytest.mark.parametrize("message", BAD)
def test_mistake_is_an_error_of_one_line(place, message):
    with pytest.raises(polyhead.UserError) as caught:
        BAD[message]()
    assert message in str(caught.value)


@pytest.mark.slow
def test_command_of_a_run_is_written_for_a_shell(place):
    frame = [{"my text": "a", "tone": "x"}, {"my text": "b", "tone": "y"}]
    with pytest.raises(polyhead.UserError, match="stop"):
        fit(frame, text="my text", tasks=["tone"], run_dir="runs/stopped", options={"monitor.metric": "stop here"})
    log = (place / "runs" / "stopped" / "train.log").read_text()
    words = shlex.split(log.partition("from the command line: ")[2].splitlines()[0])
    assert "data.text='my text'" in words
    assert "monitor.metric='stop here'" in words

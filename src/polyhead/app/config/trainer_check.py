"""The check of the Trainer's arguments: what Lightning takes in silence, or refuses only in the middle of a run.

Types are the builder's to check; a value of a wrong one passes here. Imports nothing of Lightning, which takes seconds.
"""

import math
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeGuard

import torch

from polyhead import hardware
from polyhead.data.samplers import LoaderSettings
from polyhead.errors import did_you_mean, is_finite, parameter_problems
from polyhead.tasks import Task

_LAUNCHED = ("MASTER_ADDR", "SLURM_JOB_ID", "TORCHELASTIC_RUN_ID", "LSB_JOBID", "GROUP_RANK")
"""Variables by which a process knows that others of its run start on other machines."""

_DETACHED = ("spawn", "fork", "notebook")
"""Parts of the names of strategies whose processes end with training, so that nothing of it is left to test."""

_FROM = "1 or more"
_PART = "a whole number of batches, 1 or more, or a share of them above 0.0 and up to 1.0"


def _at_least(low: float) -> Callable[[Any], bool]:
    return lambda value: value >= low


def _is_part(value: float) -> bool:
    return value >= 1 if isinstance(value, int) else 0 < value <= 1


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "accumulate_grad_batches": (_at_least(1), _FROM),
    "check_val_every_n_epoch": (_at_least(1), _FROM),
    "fast_dev_run": (_at_least(0), "true, false or a number of batches, 0 or more"),
    "gradient_clip_val": (_at_least(0), "0 or more; 0 clips nothing"),
    "limit_predict_batches": (_is_part, _PART),
    "limit_test_batches": (_is_part, f"{_PART}; test=false leaves the test out"),
    "limit_train_batches": (_is_part, f"{_PART}; freeze=all evaluates without training"),
    "limit_val_batches": (_is_part, _PART),
    "log_every_n_steps": (_at_least(1), f"{_FROM}; logger=none logs nothing"),
    "max_epochs": (lambda value: value >= 1 or value == -1, f"{_FROM}; freeze=all evaluates without training"),
    "max_steps": (lambda value: value >= 1 or value == -1, f"{_FROM}, or -1 for no limit"),
    "min_epochs": (_at_least(0), "0 or more"),
    "min_steps": (_at_least(0), "0 or more"),
    "num_nodes": (_at_least(1), _FROM),
    "num_sanity_val_steps": (_at_least(-1), "0 or more, or -1 for all batches"),
    "overfit_batches": (
        lambda value: value == 0,
        "0: batches are grouped by length, and drawn by the run; trainer.limit_train_batches takes a few",
    ),
    "reload_dataloaders_every_n_epochs": (_at_least(0), "0 or more"),
    "val_check_interval": (_is_part, _PART),
}


def trainer_problems(trainer: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each argument, without the key in front, that a run cannot do with.

    Args:
        trainer: arguments of ``lightning.Trainer`` as configured; the accelerator is one that this machine has.
    """
    for name, (allowed, rule) in _RULES.items():
        value = trainer.get(name)
        if _is_number(value):
            yield from parameter_problems((name, value, is_finite(value) and allowed(value), rule))
    yield from _endless(trainer)
    yield from _contradictions(trainer)
    yield from _device_problems(trainer.get("devices"), str(trainer.get("accelerator")))
    if _is_number(trainer.get("num_nodes")) and trainer["num_nodes"] > 1 and not {*_LAUNCHED} & {*os.environ}:
        yield (
            f"num_nodes: {trainer['num_nodes']} given, and nothing tells this process where the others are; set "
            "MASTER_ADDR, MASTER_PORT and NODE_RANK, or start it by torchrun or SLURM"
        )


def batch_problems(
    trainer: Mapping[str, Any], sizes: Mapping[str, int | None], loader: LoaderSettings
) -> Iterator[str]:
    """Yield a line for each argument that speaks of more or of fewer batches than there are.

    Args:
        trainer: arguments of ``lightning.Trainer``, each of them allowed by itself.
        sizes: sentences of each split that is used; None where that is not known.
        loader: sizes of batches.
    """
    for split, size in sizes.items():
        if size is None:
            continue
        if size < (processes := _processes(trainer)):
            yield f"devices: {processes} processes share {size:,} {split} sentences, and each needs one; take {size}"
        short = "val" if split == "validation" else split  # as Lightning abbreviates it
        batch_size = loader.batch_size if split == "train" else loader.evaluation_batch_size
        batches = math.ceil(size / (batch_size * _processes(trainer)))
        limit = trainer.get(f"limit_{short}_batches")
        if not _is_number(limit):
            limit = None
        if isinstance(limit, float) and int(batches * limit) < 1:
            yield f"limit_{short}_batches: {limit} given; of {batches:,} {split} batches that is none, take 1 or more"
        used = _used(batches, limit)
        interval = trainer.get("val_check_interval")
        within_epoch = trainer.get("check_val_every_n_epoch", 1) is not None
        if short == "train" and within_epoch and isinstance(interval, int) and interval > used:
            yield f"val_check_interval: {interval} given; an epoch has {used:,} batches, take as many or fewer"


def batches_per_epoch(trainer: Mapping[str, Any], size: int | None, loader: LoaderSettings) -> int | None:
    """Return the training batches of an epoch and process; None where the sentences are not counted.

    Args:
        trainer: arguments of ``lightning.Trainer``, each of them allowed by itself.
        size: sentences of the training split.
        loader: sizes of batches.
    """
    if size is None:
        return None
    limit = trainer.get("limit_train_batches")
    batches = math.ceil(size / (loader.batch_size * _processes(trainer)))
    return max(1, _used(batches, limit if _is_number(limit) else None))


def _used(batches: int, limit: float | None) -> int:
    """Return how many batches of an epoch remain under a limit."""
    if limit is None:
        return batches
    return min(batches, limit) if isinstance(limit, int) else int(batches * limit)


def _endless(trainer: Mapping[str, Any]) -> Iterator[str]:
    epochs, steps = trainer.get("max_epochs"), trainer.get("max_steps", -1)
    if epochs in (None, -1) and steps == -1:
        yield f"max_epochs: {epochs} given; the schedule of rates needs an end, set max_epochs or max_steps"


def _contradictions(trainer: Mapping[str, Any]) -> Iterator[str]:
    """Yield a line for each pair of arguments that cannot both be meant."""
    for low, high in (
        ("min_epochs", "max_epochs"),
        ("min_steps", "max_steps"),
        ("check_val_every_n_epoch", "max_epochs"),
    ):
        least, most = trainer.get(low), trainer.get(high)
        if isinstance(least, int) and isinstance(most, int) and 0 <= most < least:
            yield f"{low}: {least} given; it must be at most {high}, which is {most}"
    for name in ("logger", "callbacks"):
        if name in trainer:
            yield f"{name}: the run sets it by itself; choose by the group {name}"
    if isinstance(trainer.get("deterministic"), str) and trainer["deterministic"] != "warn":
        yield f"deterministic: {trainer['deterministic']!r} given; it must be true, false or warn"
    if isinstance(trainer.get("val_check_interval"), str | Mapping):
        yield f"val_check_interval: {trainer['val_check_interval']!r} given; it must be {_PART}, not a time"
    if any(kind in str(trainer.get("strategy")) for kind in _DETACHED):
        yield f"strategy: {trainer['strategy']!r} given; its processes keep what they learn, take ddp"
    yield from _sharding_problems(trainer)
    if trainer.get("use_distributed_sampler") is True:
        yield "use_distributed_sampler: True given; it must be false, the batches are dealt out among processes already"


def _sharding_problems(trainer: Mapping[str, Any]) -> Iterator[str]:
    strategy = str(trainer.get("strategy"))
    if strategy.startswith("fsdp") and strategy != "fsdp":
        yield f"strategy: {strategy!r} given; take fsdp, which spreads each layer of the encoder"
    elif strategy == "fsdp" and trainer.get("precision") == "16-mixed":
        yield "precision: '16-mixed' given; fsdp does not share the scale of its gradients, take bf16-mixed or 32-true"


def _device_problems(devices: Any, accelerator: str) -> Iterator[str]:
    on_processor = hardware.device_type(accelerator) == "cpu"
    present = _present(on_processor)
    what = "processes on the processor, a core each" if on_processor else "of the GPUs"
    if isinstance(devices, list) and not on_processor:
        if not devices or not all(isinstance(index, int) and 0 <= index < present for index in devices):
            yield f"devices: {devices} given; it must be a list of indices of GPUs, 0 to {present - 1}"
        return
    count = int(devices) if isinstance(devices, str) and devices.lstrip("-").isdigit() else devices
    if count in ("auto", -1) and not (count == -1 and on_processor):
        return
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= present:
        yield f"devices: {devices!r} given; it must be auto, or 1 to {present} {what}"


def _present(on_processor: bool) -> int:
    """Return the most devices that this machine has; two processes can be tried on any processor."""
    return max(2, os.cpu_count() or 1) if on_processor else max(1, torch.cuda.device_count())


def _processes(trainer: Mapping[str, Any]) -> int:
    """Return how many processes share the sentences."""
    devices = trainer.get("devices")
    on_processor = hardware.device_type(str(trainer.get("accelerator"))) == "cpu"
    if isinstance(devices, list):
        return len(devices)
    if isinstance(devices, str) and devices.isdigit():
        return int(devices)
    if isinstance(devices, int) and devices > 0:
        return devices
    return 1 if on_processor else _present(on_processor)


def _is_number(value: object) -> TypeGuard[int | float]:
    return isinstance(value, int | float) and not isinstance(value, bool)


def balance_problems(loader: LoaderSettings, mixed: bool, tasks: Sequence[Task]) -> Iterator[str]:
    """Yield a line if there is no task whose classes could be balanced, or something else mixes the sentences.

    Args:
        loader: names the task.
        mixed: whether several sources are mixed.
        tasks: that there are.
    """
    names = [task.name for task in tasks]
    if loader.balance is not None and loader.balance not in names:
        yield f"loader.balance: unknown task {loader.balance!r}; {did_you_mean(loader.balance, names)}"
    elif loader.balance is not None and not tasks[names.index(loader.balance)].kind.one_class:
        kind = tasks[names.index(loader.balance)].kind.name
        yield f"loader.balance: {loader.balance} is {kind}; it is for tasks whose sentences are each of one class"
    elif loader.balance is not None and mixed:
        yield "loader.balance: data.mixing draws the sentences of an epoch already; leave one of them out"

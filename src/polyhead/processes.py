"""Processes of a run: which of them this is, and how torchrun has spread them. Reads the environment alone."""

import os
from collections.abc import Mapping
from typing import NamedTuple


class Spread(NamedTuple):
    """How torchrun has spread the processes of a run: on so many nodes, so many on each."""

    nodes: int
    devices: int


def first_process() -> bool:
    """Return whether this is the first of a run's processes: the one that writes files and messages.

    On several nodes each has a process of local rank 0, so what counts is the rank over all of them: ``RANK`` of
    torchrun, ``SLURM_PROCID`` of srun, and of processes that Lightning starts ``NODE_RANK`` and ``LOCAL_RANK``.
    """
    if "RANK" in os.environ:
        return os.environ["RANK"] == "0"
    names = ("SLURM_PROCID", "NODE_RANK", "GROUP_RANK", "LOCAL_RANK")
    return all(os.environ.get(name, "0") == "0" for name in names)


def torchrun_spread(environment: Mapping[str, str] = os.environ) -> Spread | None:
    """Return how torchrun has spread the processes; None where it has not started this one."""
    if "TORCHELASTIC_RUN_ID" not in environment:
        return None
    devices = int(environment["LOCAL_WORLD_SIZE"])
    return Spread(int(environment["WORLD_SIZE"]) // devices, devices)


def launched_together(environment: Mapping[str, str] = os.environ) -> bool:
    """Return whether srun or torchrun has started several processes with this one, which count as one run."""
    counts = (environment.get(name, "1") for name in ("SLURM_NTASKS", "WORLD_SIZE"))
    return any(count.isdigit() and int(count) > 1 for count in counts)


def lost_another_process(error: RuntimeError) -> bool:
    """Return whether an error says that another process of the run no longer answers.

    torch has a class for what NCCL says, and none for Gloo, whose messages name the file that noticed.
    """
    return type(error).__name__.startswith("Dist") or "/gloo/" in str(error)

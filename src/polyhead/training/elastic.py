"""Elastic restarts: a process that torchrun has started again joins the others afresh."""

import os
from collections.abc import Mapping

import torch
from torch._C._distributed_c10d import PrefixStore, TCPStore


def join_again(backend: str, environment: Mapping[str, str] = os.environ) -> None:
    """Join the other processes after a restart by torchrun, before Lightning would; else nothing.

    With ``--master-addr`` torchrun keeps one store for all attempts, and since version 2.13 torch no longer tells the
    keys of an attempt from those before: Gloo takes the addresses of processes that are gone, and waits for half an
    hour. Here each attempt has keys of its own.

    Args:
        backend: ``gloo`` or ``nccl``.
        environment: what torchrun has set.
    """
    attempt = environment.get("TORCHELASTIC_RESTART_COUNT", "0")
    if attempt == "0" or torch.distributed.is_initialized():
        return
    processes, rank = int(environment["WORLD_SIZE"]), int(environment["RANK"])
    host, port = environment["MASTER_ADDR"], int(environment["MASTER_PORT"])
    agent = environment.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    store = TCPStore(host, port, processes, is_master=not agent and rank == 0)
    own = PrefixStore(f"attempt {attempt}", store)
    torch.distributed.init_process_group(backend, store=own, rank=rank, world_size=processes)

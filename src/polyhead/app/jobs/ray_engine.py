"""Ray engine: shards predicted by workers of a Ray cluster, one shard per task.

Ray Data gives the tasks of a worker that died to another. So a task may be given twice; its output is there whole or
not at all, and the second time it is left as it is.
"""

import logging
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from polyhead.app.config.builder import plain
from polyhead.app.jobs.pair_columns import check_pair
from polyhead.app.jobs.shard_worker import Shard, ShardResult, ShardWorker
from polyhead.app.jobs.table_prediction import TableCounts
from polyhead.deployment.bundle.folder import Bundle
from polyhead.errors import UserError, one_line, require_extra

WORKERS = 2
"""Workers where the command names no number."""
_STORE = 100_000_000  # bytes of a local cluster's object store: names of files pass through it, and nothing else
_ENVIRONMENT = {"RAY_USAGE_STATS_ENABLED": "0"}
"""Nothing is reported to anybody."""
_LOOPBACK = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
"""Lets all of a local cluster listen on loopback alone; by default it listens on all addresses of the machine."""


class RayWorker:
    """A worker that stays for many shards; its model is loaded once.

    A model that cannot be loaded is a problem of each shard: Ray would start a worker that raises again and again, and
    the command would wait for it without end.

    Args:
        options: of the command.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.worker: ShardWorker | None = None
        self.problem = ""
        try:
            self.worker = ShardWorker(options)
        except UserError as error:
            self.problem = str(error)

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Predict the shard that a row names, and return what became of it as a row."""
        if self.worker is None:
            return asdict(ShardResult(problem=self.problem))
        return asdict(self.worker.predict(Shard(row["input"], row["output"])))


def predict_on_ray(config: DictConfig, shards: Sequence[Shard]) -> Iterator[ShardResult]:
    """Predict shards on a cluster, and yield a result for each as they come.

    Raises:
        UserError: Ray is not installed, there is no cluster at the address, the model is no bundle or needs second
            texts, or a worker failed again and again. What else is wrong with the model or the options the workers
            find, who alone load it: this process may have neither their memory nor their devices.
    """
    os.environ |= _ENVIRONMENT | (_LOOPBACK if config.address is None else {})  # read when Ray is imported
    with require_extra("ray", "engine: ray"):
        import ray
        import ray.data
        from ray.exceptions import RayError
    check_pair(config.pair, Bundle.open(config.model).tasks)
    with _cluster(config):
        for name in ("ray", "ray.data"):
            logging.getLogger(name).setLevel(logging.ERROR)
        ray.data.DataContext.get_current().enable_progress_bars = False
        rows = ray.data.from_items([asdict(shard) for shard in shards], override_num_blocks=len(shards))
        gpus = 1 if config.device in ("gpu", "cuda") else 0
        found = rows.map(
            RayWorker,
            fn_constructor_args=({**plain(config), "model": str(Path(config.model).absolute())},),
            compute=ray.data.ActorPoolStrategy(size=min(config.workers or WORKERS, len(shards))),
            num_cpus=1,
            num_gpus=gpus,
        )
        try:
            for row in found.iter_rows():
                yield ShardResult(TableCounts(**row["counts"]), tuple(row["notes"]), row["problem"], row["limit"])
        except RayError as error:
            raise UserError(f"engine: the cluster failed ({one_line(error)}); the same command continues") from error


@contextmanager
def _cluster(config: DictConfig) -> Iterator[None]:
    """Join the cluster at the address; without one start one of this machine, on loopback, for the block."""
    import ray

    if ray.is_initialized():  # by whoever called
        yield
        return
    folder = None
    try:
        if config.address is None:
            folder = tempfile.mkdtemp(prefix="ray-")
            ray.init(
                address="local",
                num_cpus=config.workers or WORKERS,
                include_dashboard=False,
                log_to_driver=False,
                logging_level=logging.ERROR,
                object_store_memory=_STORE,
                _node_ip_address="127.0.0.1",
                _temp_dir=folder,
            )
        else:
            ray.init(address=config.address, log_to_driver=False, logging_level=logging.ERROR)
        yield
    except ConnectionError as error:
        raise UserError(f"address: no Ray cluster at {config.address!r} ({one_line(error)})") from error
    finally:
        ray.shutdown()
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)

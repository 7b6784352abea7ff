"""The check of a run over shards: what needs all training sentences before the first step, and has them nowhere."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from omegaconf import DictConfig

from polyhead.sources.base import Source
from polyhead.tasks import Task


def shard_problems(
    config: DictConfig, source: Source, tasks: Sequence[Task], components: Mapping[str, Any], takes_steps: bool
) -> Iterator[str]:
    """Yield a line for each choice that does not go with training sentences in shards.

    Args:
        config: of the run.
        source: checked.
        tasks: of the run.
        components: those that are built, by their names in :class:`RunComponents`.
        takes_steps: whether anything is trained by steps.
    """
    shards = source.shards("train")
    if shards is None:
        return
    loader, loss, heads = (components.get(name) for name in ("loader", "loss", "heads"))
    if not takes_steps and components.get("soup") is None:
        yield "data: shards are trained on by steps, and nothing is; set heads=trained, or freeze less"
    if heads is not None and heads.again:
        yield "heads.again: true given; it needs the embeddings of all sentences, and those of shards are not kept"
    counted = [task.name for task in tasks if task.kind.weighs_classes and loss and loss.weighs_classes(task.name)]
    if counted:
        yield f"loss: class weights of {', '.join(counted)} need counts, and shards are not counted; set loss.beta=0"
    if loader is not None and loader.balance is not None:
        yield f"loader.balance: {loader.balance} given; it needs all labels beforehand; leave it out"
    if loader is not None and shards.window < 2 * loader.batch_size:
        yield f"data.window: {shards.window} given; it must be two batches or more, {2 * loader.batch_size}"
    for name in ("keep_embedding", "teacher"):
        if components.get(name) is not None:
            yield f"{name}: it needs what another encoder gives for all sentences; take data=files, or leave it out"
    if config.test and not source.has("test"):
        yield "data.files.test: none given, and nothing is held out of shards; name test files, or set test=false"

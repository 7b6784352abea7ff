"""Probe stage: a stage that trains heads alone, which need no steps where they are solved.

Knows nothing about how heads are solved.
"""

from collections.abc import Sequence
from dataclasses import replace

from polyhead.freezing.plans import Stage
from polyhead.models.multitask import MultiTaskModel


def trains_heads_alone(model: MultiTaskModel, stage: Stage) -> bool:
    """Return whether a stage trains heads, or some of their parameters, and nothing of the encoder."""
    frozen = stage.freezing.frozen_parameters(model)
    encoder, heads = ({id(parameter) for parameter in part.parameters()} for part in (model.encoder, model.heads))
    return encoder <= frozen and not heads <= frozen


def without_probe(stages: Sequence[Stage]) -> tuple[Stage, ...]:
    """Return the stages without a first one that is a probe, the next one from epoch 0 on.

    A schedule whose epochs are the user's own has none: its first stage takes its steps, from solved heads.
    """
    if len(stages) == 1 or not stages[0].probe:
        return tuple(stages)
    start = stages[1].epoch
    return tuple(replace(stage, epoch=stage.epoch - start) for stage in stages[1:])


def takes_steps(model: MultiTaskModel, stages: Sequence[Stage], heads_solved: bool) -> bool:
    """Return whether a plan trains anything by steps of an optimizer: something that is neither frozen nor solved."""
    if len(stages) > 1:
        return True
    frozen = stages[0].freezing.frozen_parameters(model)
    trains = any(id(parameter) not in frozen for parameter in model.parameters())
    return trains and not (heads_solved and trains_heads_alone(model, stages[0]))

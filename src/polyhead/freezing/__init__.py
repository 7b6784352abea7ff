"""Which parameters are trained, and when: plans, schedules, LoRA; frozen activations computed once."""

from polyhead.freezing.activation_cache import ActivationCache
from polyhead.freezing.lora import LoRA
from polyhead.freezing.plans import FreezePlan, FreezeSpec, Stage
from polyhead.freezing.schedules import Gradual, ProbeThenFineTune, UnfreezeSchedule

__all__ = [
    "ActivationCache",
    "FreezePlan",
    "FreezeSpec",
    "Gradual",
    "LoRA",
    "ProbeThenFineTune",
    "Stage",
    "UnfreezeSchedule",
]

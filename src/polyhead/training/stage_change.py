"""Stage change: distributed training follows a module into another stage of freezing. Knows nothing about stages."""

from typing import TYPE_CHECKING

from lightning.pytorch.strategies import DDPStrategy, Strategy

from polyhead.training.sharding import ShardedStrategy

if TYPE_CHECKING:
    from polyhead.training.module import MultiTaskTraining


def follow_stage(strategy: Strategy, module: "MultiTaskTraining") -> None:
    """Have the strategy take notice of what the module's model trains from here on."""
    if isinstance(strategy, DDPStrategy):
        # DDP looks at requires_grad once, when it wraps the model: what thaws later would never be averaged.
        strategy.model = module
        strategy.configure_ddp()
    elif isinstance(strategy, ShardedStrategy):
        strategy.enter(module.stage)

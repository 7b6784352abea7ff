"""Stage change: distributed training follows a module into another stage of freezing. Knows nothing about losses."""

import lightning as L
from lightning.pytorch.strategies import DDPStrategy, Strategy

from polyhead.freezing.plans import Stage
from polyhead.training.sharding import ShardedStrategy


def follow_stage(strategy: Strategy, module: L.LightningModule, stage: Stage) -> None:
    """Have the strategy take notice of what the module's model trains from here on."""
    if isinstance(strategy, DDPStrategy):
        # DDP looks at requires_grad once, when it wraps the model: what thaws later would never be averaged.
        strategy.model = module
        strategy.configure_ddp()
    elif isinstance(strategy, ShardedStrategy):
        strategy.enter(stage)

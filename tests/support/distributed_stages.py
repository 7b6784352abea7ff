"""Trains every plan of freezing on a tiny model, in as many processes as asked for; test_distributed.py runs it.

PYTHONPATH=tests python tests/support/distributed_stages.py PROCESSES FOLDER [spread]
"""

import sys
import warnings
from collections.abc import Iterator
from functools import partial
from itertools import islice
from pathlib import Path

import torch
from support.fakes import FakePair, FakeSource, word_tokenizer
from support.kinds import PAIR_TASKS, PairSource
from support.models import FAMILIES
from support.plans import PLANS, SCHEDULES
from support.training import OPTIMIZATION, make_module, make_trainer, without_dropout
from transformers import AutoConfig, AutoModel

from polyhead.data.datamodule import SentenceData
from polyhead.data.samplers import LoaderSettings
from polyhead.data.tokenization import TextTokenizer
from polyhead.freezing.activation_cache import ActivationCache
from polyhead.freezing.frozen_activations import attach_frozen
from polyhead.models.dropout import FastDropout
from polyhead.models.encoder import Encoder
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives import CosineDistance
from polyhead.tasks import Task
from polyhead.training.callbacks.predictions import PredictionRecorder
from polyhead.training.sharding import ShardedStrategy

OTHER_FAMILIES = ("distilbert", "mpnet", "modernbert", "deberta-v2")  # each lays its layers out in its own way
TASKS = (Task("category", ("Quote", "Riddle", "News")), Task("sentiment", ("Positive", "Negative")))


def train(plan: str, processes: int, folder: Path, spread: bool = False, family: str = "bert") -> None:
    """Train one plan and save the weights; all processes together see 8 sentences a step."""
    torch.manual_seed(0)
    transformer = AutoModel.from_config(AutoConfig.for_model(family, **FAMILIES[family]))
    model = MultiTaskModel(Encoder(transformer, "mean"), TASKS, dropout=0.0)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout | FastDropout):
            module.p = 0.0  # each process draws its own
    # With a large epsilon Adam's step is smooth in the gradient, so rounding stays as small as it is.
    optimization = type(OPTIMIZATION)(**vars(OPTIMIZATION) | {"eps": 1e-2})
    training = make_module(model, TASKS, PLANS[plan], optimization=optimization)
    batching = LoaderSettings(8 // processes, evaluation_batch_size=8, bucket_batches=4, seed=0, workers=0)
    sizes = {"train": 16, "validation": 8, "test": 8}
    store = ActivationCache(str(folder / "features"), 1)
    features = partial(attach_frozen, model.encoder, "32-true", store, torch.device("cpu"))
    data = SentenceData(FakeSource(sizes), TASKS, TextTokenizer(word_tokenizer(), 16), batching, features)
    if plan == "none":  # held as well: each process has the distances of its own rows
        training.embedding_loss = CosineDistance(1.0)
        width = model.encoder.embedding_size
        data.split("train").targets = torch.randn(16, width, generator=torch.Generator().manual_seed(1))
    strategy = ShardedStrategy() if spread else "ddp" if processes > 1 else "auto"
    epochs = 3 if plan in SCHEDULES else 2
    settings = {"devices": processes, "strategy": strategy, "limit_val_batches": 0, "gradient_clip_val": 0.1}
    trainer = make_trainer(folder, max_epochs=epochs, **settings)
    trainer.fit(training, data)
    if spread:
        trainer.strategy.gather()
        assert training.model is model
    if trainer.is_global_zero:
        torch.save(model.state_dict(), folder / f"{plan if family == 'bert' else family}.pt")


class AllPairs(PairSource):
    """Pairs with labels alone, so that the processes have as many each; those for ``answers`` are of the test."""

    def sentences(self, split: str) -> Iterator[FakePair]:
        """Yield as many rows of a split as are asked for, of those that have all labels."""
        rows = PairSource(dict.fromkeys(self.sizes, 99)).sentences(split)
        answers = "1" if split == "test" else None
        pairs = (
            FakePair(row.text, row.labels | {"answers": answers}, row.second) for row in rows if "alike" in row.labels
        )
        yield from islice(pairs, self.sizes[split])


def train_pairs(processes: int, folder: Path, spread: bool = False) -> None:
    """Train tasks about two texts, test them, and save weights and answers."""
    torch.manual_seed(0)
    transformer = AutoModel.from_config(AutoConfig.for_model("bert", **FAMILIES["bert"]))
    model = without_dropout(MultiTaskModel(Encoder(transformer, "mean"), PAIR_TASKS, dropout=0.0))
    optimization = type(OPTIMIZATION)(**vars(OPTIMIZATION) | {"eps": 1e-2})
    batching = LoaderSettings(8 // processes, evaluation_batch_size=8, bucket_batches=4, seed=0, workers=0)
    source = AllPairs({"train": 16, "validation": 8, "test": 8})
    data = SentenceData(source, PAIR_TASKS, TextTokenizer(word_tokenizer(), 16), batching)
    training, recorder = make_module(model, PAIR_TASKS, optimization=optimization), PredictionRecorder()
    strategy = ShardedStrategy() if spread else "ddp" if processes > 1 else "auto"
    trainer = make_trainer(folder, devices=processes, strategy=strategy, limit_val_batches=0, callbacks=[recorder])
    trainer.fit(training, data)
    if spread:
        trainer.strategy.gather()
    trainer.test(training, data, verbose=False)
    if trainer.is_global_zero:
        answers = {f"answers.{name}": torch.from_numpy(found) for name, found in recorder.predicted["test"].items()}
        torch.save(model.state_dict() | answers, folder / "pairs.pt")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    spread = sys.argv[3:] == ["spread"]
    for name in PLANS:
        train(name, int(sys.argv[1]), Path(sys.argv[2]), spread)
    for name in OTHER_FAMILIES:
        train("none", int(sys.argv[1]), Path(sys.argv[2]), spread, name)
    train_pairs(int(sys.argv[1]), Path(sys.argv[2]), spread)

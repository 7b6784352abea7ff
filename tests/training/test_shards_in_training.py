"""A run over shards that was killed resumes within the epoch, and is the run that was never stopped, bit for bit."""

import pytest
import torch
from lightning.pytorch.callbacks import Callback
from support.fakes import word_tokenizer
from support.shards import rows, shard_source, write_shard, write_shards
from support.training import make_module, make_trainer

from polyhead.data.datamodule import SentenceData
from polyhead.data.samplers import LoaderSettings
from polyhead.data.token_cache import TokenCache
from polyhead.data.tokenization import TextTokenizer
from polyhead.models.multitask import MultiTaskModel
from polyhead.training.callbacks import BestCheckpoint, LastCheckpoint
from polyhead.training.fit import fit_and_test


class KilledError(Exception):
    pass


class Kill(Callback):
    """Ends the run where a kill would."""

    def __init__(self, epoch, batch):
        self.moment = epoch, batch

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        if (trainer.current_epoch, batch_idx) == self.moment:
            raise KilledError


class Rows(Callback):
    """Notes which rows each step was trained on."""

    def __init__(self):
        self.of_steps = {}

    def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
        self.of_steps[trainer.current_epoch, batch_idx] = batch.rows.tolist()


def run(folder, shards, make_encoder, tasks, kill=None, resume=None):
    torch.manual_seed(0)
    validation = write_shard(shards.parent / "validation.csv", rows(20, 200))
    source = shard_source(folder / "tables", str(shards), window=20, files={"validation": str(validation)})
    source.check(tasks)
    loader = LoaderSettings(batch_size=4, evaluation_batch_size=16, bucket_batches=4, seed=0, workers=0)
    cache = TokenCache(str(folder / "tokens"), 1.0)
    data = SentenceData(source, tasks, TextTokenizer(word_tokenizer(), 16), loader, token_cache=cache)
    module, seen = make_module(MultiTaskModel(make_encoder(), tasks, dropout=0.1), tasks), Rows()
    callbacks = [
        BestCheckpoint(folder, "best", monitor="validation/macro_f1", mode="max", save_weights_only=True),
        LastCheckpoint(str(folder), every_minutes=0),
        seen,
        *([Kill(*kill)] if kill else []),
    ]
    trainer = make_trainer(folder, max_epochs=2, enable_checkpointing=True, callbacks=callbacks)
    result = fit_and_test(module, data, trainer, resume)
    return module.state_dict(), result, seen.of_steps


@pytest.mark.slow
@pytest.mark.parametrize("moment", [(0, 3), (1, 13)])
def test_run_over_shards_resumes_within_an_epoch_bit_for_bit(tmp_path, make_encoder, tasks, moment):
    write_shards(tmp_path / "shards", [13, 30, 21])
    whole, result, seen = run(tmp_path / "whole", tmp_path / "shards", make_encoder, tasks)
    with pytest.raises(KilledError):
        run(tmp_path / "killed", tmp_path / "shards", make_encoder, tasks, moment)
    last = tmp_path / "killed" / "last.ckpt"
    rest, rest_result, rest_seen = run(tmp_path / "killed", tmp_path / "shards", make_encoder, tasks, resume=last)
    assert rest_seen == {step: found for step, found in seen.items() if step >= moment}
    assert rest_result == result
    assert all(torch.equal(rest[name], value) for name, value in whole.items())
    for epoch in range(2):
        assert sorted(row for step, found in seen.items() if step[0] == epoch for row in found) == list(range(64))

"""Tasks of all kinds train side by side: with every part of a run that the kinds of its tasks concern."""

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from sklearn.metrics import f1_score
from support.fakes import word_tokenizer
from support.kinds import TASKS, KindSource
from support.training import make_module, make_trainer

from polyhead.data.datamodule import SentenceData
from polyhead.data.samplers import LoaderSettings
from polyhead.data.token_cache import TokenCache
from polyhead.data.tokenization import TextTokenizer
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives.weighting import GradNorm, Uncertainty
from polyhead.tasks import is_labelled
from polyhead.training.callbacks.best import BestCheckpoint
from polyhead.training.callbacks.last import LastCheckpoint
from polyhead.training.callbacks.predictions import PredictionRecorder
from polyhead.training.fit import fit_and_test
from polyhead.training.metrics import scalars

NAMES = [task.name for task in TASKS]


def make_data(cache=None):
    loader = LoaderSettings(batch_size=8, evaluation_batch_size=16, bucket_batches=4, seed=0, workers=0)
    source = KindSource({"train": 48, "validation": 40, "test": 24})
    if cache is not None:
        source.fingerprint = lambda split: split
    return SentenceData(source, TASKS, TextTokenizer(word_tokenizer(), 16), loader, token_cache=cache)


def run(folder, make_encoder, weighting=None, resume=None, callbacks=(), frozen=(), **settings):
    torch.manual_seed(0)
    module = make_module(MultiTaskModel(make_encoder(), TASKS, dropout=0.1), TASKS, frozen, weighting)
    best = BestCheckpoint(folder, "best", monitor="validation/score", mode="max", save_weights_only=True)
    last = LastCheckpoint(str(folder), "last")
    trainer = make_trainer(
        folder, max_epochs=3, enable_checkpointing=True, callbacks=[best, last, *callbacks], **settings
    )
    return module, fit_and_test(module, make_data(), trainer, resume)


@pytest.mark.slow
@pytest.mark.parametrize(("rule", "frozen"), [(GradNorm, ()), (Uncertainty, ("heads.stars", "encoder.embeddings"))])
def test_kinds_train_under_a_weighting_and_freezing(tmp_path, make_encoder, rule, frozen):
    weighting = rule(NAMES, alpha=1.5, lr=0.025) if rule is GradNorm else rule(NAMES)
    module, result = run(tmp_path, make_encoder, weighting, frozen=frozen)
    for task in TASKS:
        for split in (result.validation, result.test):
            assert np.isfinite([split[task.name][name] for name in (*task.kind.measures, "loss")]).all()
    assert result.validation["stars"]["kind"] == "number"
    mean = np.mean([result.validation[task.name][task.kind.headline] for task in TASKS])
    assert scalars("validation", module.results["validation"])["validation/score"] == pytest.approx(mean)


@pytest.mark.slow
def test_kinds_resume_bit_for_bit(tmp_path, make_encoder):
    class Stop(Callback):
        def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
            trainer.should_stop = trainer.global_step >= 9  # within the second epoch

    straight, whole = run(tmp_path / "straight", make_encoder)
    run(tmp_path / "stopped", make_encoder, callbacks=[Stop()])
    resumed, rest = run(tmp_path / "resumed", make_encoder, resume=tmp_path / "stopped" / "last.ckpt")
    ours, theirs = straight.state_dict(), resumed.state_dict()
    assert all(torch.equal(value, theirs[name]) for name, value in ours.items())
    assert (rest.validation, rest.test) == (whole.validation, whole.test)
    assert resumed.results["training"] == straight.results["training"]


@pytest.mark.slow
def test_kinds_learn_what_words_say(tmp_path, make_encoder):
    recorder = PredictionRecorder()
    module, result = run(tmp_path, make_encoder, callbacks=[recorder])
    assert result.test["stars"]["spearman"] > 0.5
    labels, predicted = recorder.labels["test"], recorder.predicted["test"]
    for task in TASKS:
        known = is_labelled(labels[task.name])
        assert 0 < (~known).sum() < 10
        score = task.kind.score(labels[task.name][known], predicted[task.name][known])
        assert score == pytest.approx(result.test[task.name][task.kind.headline], abs=1e-5)
    given = np.array(
        [float(s.labels["stars"] or "nan") for s in KindSource({"train": 1, "v": 1, "test": 24}).sentences("test")]
    )
    np.testing.assert_allclose(labels["stars"], given, rtol=1e-6)  # in the unit of the data
    known = is_labelled(labels["tags"])
    expected = f1_score(labels["tags"][known], predicted["tags"][known], average="macro", zero_division=0)
    assert result.test["tags"]["macro_f1"] == pytest.approx(expected, abs=1e-6)
    assert module.fit_of("tags")["thresholds"] == result.test["tags"]["thresholds"]


def test_kinds_have_the_same_targets_from_the_token_cache(tmp_path):
    cache = TokenCache(str(tmp_path / "tokens"), 1)
    fresh, written, read = make_data(), make_data(cache), make_data(cache)
    for task in TASKS:
        expected = fresh.split("train").labels[task.name]
        for data in (written, read):
            found = data.split("train").labels[task.name]
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)

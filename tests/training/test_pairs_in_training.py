"""Tasks about two texts train beside those about one, in the same pass, with every part of a run."""

import numpy as np
import pytest
import torch
from lightning.pytorch.callbacks import Callback
from support.fakes import word_tokenizer
from support.kinds import PAIR_TASKS, PairSource
from support.training import make_module, make_trainer, without_dropout
from torch.nn.functional import cosine_similarity

from polyhead.data.datamodule import SentenceData
from polyhead.data.samplers import LoaderSettings
from polyhead.data.token_cache import TokenCache
from polyhead.data.tokenization import TextTokenizer
from polyhead.errors import UserError
from polyhead.freezing.activation_cache import ActivationCache
from polyhead.freezing.frozen_activations import attach_frozen
from polyhead.models.multitask import MultiTaskModel
from polyhead.objectives.embedding_loss import CosineDistance
from polyhead.objectives.weighting import Aggregation, GradNorm, Uncertainty
from polyhead.tasks import is_labelled
from polyhead.training.callbacks.best import BestCheckpoint
from polyhead.training.callbacks.last import LastCheckpoint
from polyhead.training.callbacks.predictions import PredictionRecorder
from polyhead.training.fit import fit_and_test

NAMES = [task.name for task in PAIR_TASKS]
SIZES = {"train": 48, "validation": 40, "test": 24}


def make_data(cache=None, activations=None, source=None, windows=1):
    loader = LoaderSettings(batch_size=8, evaluation_batch_size=16, bucket_batches=4, seed=0, workers=0)
    source = source or PairSource(SIZES)
    if cache is not None:
        source.fingerprint = lambda split: split
    tokenizer = TextTokenizer(word_tokenizer(), 16 if windows == 1 else 5, windows=windows)
    return SentenceData(source, PAIR_TASKS, tokenizer, loader, activations, token_cache=cache)


def make_model(make_encoder):
    torch.manual_seed(0)
    return without_dropout(MultiTaskModel(make_encoder(), PAIR_TASKS, dropout=0.1))


def run(folder, make_encoder, weighting=None, resume=None, callbacks=(), frozen=(), data=None, **settings):
    torch.manual_seed(0)
    module = make_module(MultiTaskModel(make_encoder(), PAIR_TASKS, dropout=0.1), PAIR_TASKS, frozen, weighting)
    best = BestCheckpoint(folder, "best", monitor="validation/score", mode="max", save_weights_only=True)
    last = LastCheckpoint(str(folder), "last")
    trainer = make_trainer(
        folder, max_epochs=3, enable_checkpointing=True, callbacks=[best, last, *callbacks], **settings
    )
    return module, fit_and_test(module, data or make_data(), trainer, resume)


def test_pairs_are_embedded_in_one_pass_as_each_text_is_alone(make_encoder):
    model, split = make_model(make_encoder).eval(), make_data().split("train")
    batch = split[[0, 1, 2, 3, 5]]
    assert (len(batch), batch.pairs.tolist()) == (5, [1, 2, 4])
    logits = model(batch)
    texts = list(PairSource(SIZES).sentences("train"))
    tokenizer = make_data().text_tokenizer

    def embedding(text):
        return model.encoder(torch.from_numpy(tokenizer.tokenize([text]).ids.astype(np.int64))[None])

    for place, row in enumerate([0, 1, 2, 3, 5]):
        first = embedding(texts[row].text)
        expected = {"tone": model.heads["tone"](first)[0]}
        if texts[row].second is not None:
            second = embedding(texts[row].second)
            expected["alike"] = cosine_similarity(first, second)
            expected["relation"] = model.heads["relation"](torch.cat([first, second, (first - second).abs()], 1))[0]
        for name, value in expected.items():
            torch.testing.assert_close(logits[name][place], value, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("windows", [1, 3])
@pytest.mark.parametrize("frozen", [("encoder",), ("encoder.embeddings", "encoder.layers[0]")])
def test_pairs_from_stored_activations_have_the_logits_of_the_whole_encoder(tmp_path, make_encoder, frozen, windows):
    module = make_module(make_model(make_encoder), PAIR_TASKS, frozen)
    module.eval()
    cache = ActivationCache(str(tmp_path), 1)
    stored = make_data(
        activations=lambda: attach_frozen(module.model.encoder, "32-true", cache, torch.device("cpu")), windows=windows
    )
    plain = make_data(windows=windows)
    for rows in ([3, 4, 5, 8, 14], [0, 3, 6]):
        ours, theirs = stored.split("train")[rows], plain.split("train")[rows]
        assert ours.activations is not None
        assert (ours.windows is not None) == (theirs.windows is not None)
        for name, logits in module.model(theirs).items():
            torch.testing.assert_close(module.model(ours)[name], logits, atol=1e-5, rtol=1e-4)
    if windows > 1:
        assert stored.split("train")[[3, 4, 5, 8, 14]].windows.max() > 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("weighting", "frozen"),
    [
        (GradNorm(NAMES, alpha=1.5, lr=0.025), ()),
        (Uncertainty(NAMES), ("heads.relation", "encoder.embeddings")),
        (Aggregation(NAMES, "UPGrad", {}, "embedding", False), ()),
        (Aggregation(NAMES, "UPGrad", {}, "parameters", False), ("encoder.layers[0]",)),
    ],
)
def test_pairs_train_under_a_weighting_and_freezing(tmp_path, make_encoder, weighting, frozen):
    _, result = run(tmp_path, make_encoder, weighting, frozen=frozen)
    for task in PAIR_TASKS:
        for split in (result.validation, result.test):
            assert np.isfinite([split[task.name][name] for name in (*task.kind.measures, "loss")]).all()


@pytest.mark.slow
def test_pairs_resume_bit_for_bit(tmp_path, make_encoder):
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
def test_pairs_are_recorded_as_they_are_scored(tmp_path, make_encoder):
    recorder = PredictionRecorder()
    _, result = run(tmp_path, make_encoder, callbacks=[recorder])
    assert result.test["alike"]["spearman"] > 0.3  # of words that two texts share
    labels, predicted = recorder.labels["test"], recorder.predicted["test"]
    for task in PAIR_TASKS:
        known = is_labelled(labels[task.name])
        assert labels[task.name].shape == predicted[task.name].shape == (24,)
        score = task.kind.score(labels[task.name][known], predicted[task.name][known])
        assert score == pytest.approx(result.test[task.name][task.kind.headline], abs=1e-5)
    given = [row.labels.get("alike") for row in PairSource(SIZES).sentences("test")]
    np.testing.assert_allclose(labels["alike"], [float(score or "nan") for score in given])


def test_pairs_are_held_on_both_sides_by_an_embedding_loss(make_encoder):
    model, split = make_model(make_encoder), make_data().split("train")
    split.targets = torch.randn(len(split), model.encoder.embedding_size)
    split.second.targets = torch.randn(len(split.second), model.encoder.embedding_size)
    batch = split[[1, 3, 4]]
    rows = split.second_rows(np.asarray([1, 4]))
    torch.testing.assert_close(batch.targets, torch.cat([split.targets[[1, 3, 4]], split.second.targets[rows]]))
    assert CosineDistance(1.0)(model.embed(batch), batch.targets) > 0


def test_pairs_are_the_same_from_the_token_cache(tmp_path):
    cache = TokenCache(str(tmp_path / "tokens"), 1)
    fresh, written, read = make_data(), make_data(cache), make_data(cache)
    expected = fresh.split("train")[list(range(48))]
    for data in (written, read):
        found = data.split("train")[list(range(48))]
        assert torch.equal(found.input_ids, expected.input_ids)
        assert torch.equal(found.pairs, expected.pairs)
        for name, targets in expected.labels.items():
            torch.testing.assert_close(found.labels[name], targets, equal_nan=True)


def test_heads_of_pairs_are_trained_on_what_they_are_given_later(make_encoder):
    """Also where embeddings have length 1, and heads are given longer ones."""
    model = make_model(make_encoder)
    model.scale = 4.0
    batch = make_data().split("train")[[1, 2, 4, 5]]
    embeddings = model.embed(batch)
    expected = model.classify(embeddings, batch.pairs)
    for task in PAIR_TASKS[1:]:
        torch.testing.assert_close(model.classify_task(task.name, embeddings, batch.pairs), expected[task.name])
    first, second = 4 * embeddings[:4], 4 * embeddings[4:]
    features = torch.cat([first, second, (first - second).abs()], dim=1)
    torch.testing.assert_close(expected["relation"], model.heads["relation"](features))


def test_pairs_are_grouped_by_the_longer_text():
    split = make_data().split("train")
    texts = list(PairSource(SIZES).sentences("train"))
    words = [max(len(row.text.split()), len((row.second or "").split())) for row in texts]
    assert split.lengths.tolist() == [count + 2 for count in words]


def test_pairs_stay_together_where_rows_are_selected():
    split = make_data().split("train")
    rows = np.asarray([7, 3, 4])
    ours, theirs = split.select(rows)[[0, 1, 2]], split[rows.tolist()]
    assert torch.equal(ours.input_ids, theirs.input_ids)
    assert torch.equal(ours.pairs, theirs.pairs)


def test_label_of_two_texts_is_refused_where_there_is_one():
    class Halves(PairSource):
        def sentences(self, split):
            for row in super().sentences(split):
                row.second = None
                yield row

    with pytest.raises(UserError, match="tasks.alike: 26 sentences have a label for it, and no second text"):
        make_data(source=Halves(SIZES)).split("train")

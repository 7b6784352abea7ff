"""Tasks of all kinds from the command line: trained, exported, predicted with and evaluated; refused in a line."""

import json

import pytest
import yaml
from support.commands import TINY, script, sizes, train

from polyhead.runs.record import read

KINDS = ["data.extra=[stars,tags]", "+tasks.stars=number", "+tasks.tags=multi_label", "+tasks.topic=null"]
SIZES = sizes(192, 64)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Train heads of all kinds over a frozen encoder, and export them with a graph."""
    folder = tmp_path_factory.mktemp("kinds")
    done = train(*TINY, *SIZES, *KINDS, "freeze=backbone", "run_dir=run", "resume=auto", cwd=folder)
    assert done.returncode == 0, done.stderr
    exported = script("export", "run=run", "output=bundle", "graph=onnx", cwd=folder)
    assert exported.returncode == 0, exported.stderr
    return folder, done.stdout


@pytest.mark.slow
def test_kinds_train_solved_and_say_by_what_the_run_goes(made):
    folder, output = made
    assert "by validation/score, the mean of macro_f1 of category, macro_f1 of sentiment, spearman of stars" in output
    for task in ("category", "stars", "tags"):
        assert f"head of {task}: solved over 192 rows" in output
    config = yaml.safe_load((folder / "run" / "config.yaml").read_text())
    assert config["tasks"]["stars"]["kind"] == "number"
    assert 2 < config["tasks"]["stars"]["mean"] < 4
    assert config["tasks"]["tags"]["labels"][0] == "critical"
    assert read(folder / "run").status == "done"


@pytest.mark.slow
def test_same_command_again_knows_that_it_is_done(made):
    folder, _ = made
    done = train(*TINY, *SIZES, *KINDS, "freeze=backbone", "run_dir=run", "resume=auto", cwd=folder)
    assert done.returncode == 0, done.stderr
    assert "done already" in done.stdout


@pytest.mark.slow
def test_kinds_are_answered_by_bundle_and_graph_alike(made):
    folder, _ = made
    (folder / "in.jsonl").write_text('{"text": "What a lovely day"}\n{"text": "The soup was cold."}\n')
    answers = []
    for backend in ("torch", "onnx"):
        name = f"{backend}.jsonl"
        arguments = ("model=bundle", "input=in.jsonl", f"output={name}", f"backend={backend}", "precision=32-true")
        done = script("predict", *arguments, cwd=folder)
        assert done.returncode == 0, done.stderr
        answers.append([json.loads(line) for line in (folder / name).read_text().splitlines()])
    for ours, theirs in zip(*answers, strict=True):
        assert ours["predicted_stars"] == pytest.approx(theirs["predicted_stars"], rel=1e-3)
        assert ours["predicted_tags"] == theirs["predicted_tags"]
        assert isinstance(ours["predicted_tags"], list)


@pytest.mark.slow
def test_kinds_are_evaluated_as_training_tested_them(made):
    folder, _ = made
    rows = [["text", "stars"], ["What a lovely day", "5"], ["The soup was cold", "1"], ["It is a table", "3"]]
    (folder / "later.csv").write_text("".join(",".join(row) + "\n" for row in rows))
    done = script("evaluate", "model=run", "input=later.csv", "output=later", cwd=folder)
    assert done.returncode == 0, done.stderr
    metrics = json.loads((folder / "later" / "metrics.json").read_text())
    assert metrics["labelled"]["stars"] == 3
    assert metrics["test"]["stars"].keys() == {"kind", "mae", "pearson", "spearman", "loss"}
    assert metrics["skipped"] == ["category", "sentiment", "tags", "topic"]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["+tasks.stars=number"], "tasks: the hypothetical sentences know no 'stars'; set data.extra=[stars]"),
        (["tasks.sentiment=number"], "tasks.sentiment: 'Neutral' is no number"),
        (["+tasks.topic=multi_label", "loader.balance=topic"], "loader.balance: topic is multi_label"),
        (["+tasks.stars={kind: number, loss: cube}"], "tasks.stars.loss: unknown 'cube'"),
        ([*KINDS, "loss.gamma={stars: 2}"], "loss.gamma.stars: it is for single_label tasks, and stars is number"),
    ],
)
def test_kinds_are_refused_in_a_line(tmp_path, overrides, message):
    done = train(*TINY, *overrides, cwd=tmp_path)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr

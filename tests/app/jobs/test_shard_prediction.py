"""Shards are predicted as each is alone, whole or not at all, and once, whatever is killed in between."""

import json
import os
import re
import signal
import time
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from pyarrow import parquet
from support.bundles import make_bundle
from support.commands import ROOT, start
from support.shards import rows, write_shard, write_shards

from polyhead.app.jobs.predict import run
from polyhead.app.jobs.ray_engine import RayWorker
from polyhead.errors import UserError

EXACT = ["precision=32-true", "device=cpu"]
PREDICT = ROOT / "scripts" / "predict.py"


@pytest.fixture
def bundle(tmp_path, model, tasks):
    return make_bundle(tmp_path / "bundle", model, tasks)


@pytest.fixture
def predict(tmp_path, bundle):
    def predict(given, output, *options):
        overrides = [f"model={bundle}", f"input='{tmp_path / given}'", f"output={tmp_path / output}", *options, *EXACT]
        with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
            run(compose("predict", overrides))
        return tmp_path / output

    return predict


def contents(folder):
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def moments(folder):
    done = [path for path in folder.glob("part-*") if path.suffix != ".partial"]  # a kill leaves one in the middle
    return {path.name: path.stat().st_mtime_ns for path in done}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("given", "ending"),
    [("shards", "parquet"), ("shards", "csv"), ("shards", "jsonl"), ("shards/part-*", "parquet")],
)
def test_predict_gives_each_shard_what_it_gives_the_file_alone(tmp_path, predict, given, ending):
    paths = write_shards(tmp_path / "shards", [7, 30, 12], ending)
    folder = predict(given, "out")
    assert set(contents(folder)) == {*(path.name for path in paths), "_predict.json"}
    for path in paths:
        alone = predict(f"shards/{path.name}", f"alone.{ending}", "overwrite=true")
        assert (folder / path.name).read_bytes() == alone.read_bytes()


def test_predict_continues_where_shards_are_missing_and_repeats_none(tmp_path, predict, capsys):
    write_shards(tmp_path / "shards", [7, 30, 12])
    folder = predict("shards", "out")
    whole, before = contents(folder), moments(folder)
    (folder / "part-1.parquet").unlink()
    predict("shards", "out")
    assert contents(folder) == whole
    assert {name for name in before if moments(folder)[name] != before[name]} == {"part-1.parquet"}
    assert re.search(r"30 texts of 1 shards, 2 were done before, written to .*out: ", capsys.readouterr().err)
    predict("shards", "out")
    assert "0 texts of 0 shards, 3 were done before" in capsys.readouterr().err


def test_predict_repeats_a_shard_that_is_newer_than_its_predictions_and_all_when_asked(tmp_path, predict, capsys):
    paths = write_shards(tmp_path / "shards", [7, 30], "csv")
    folder = predict("shards", "out")
    write_shard(paths[0], rows(9))
    later = time.time_ns() + 10**9
    os.utime(paths[0], ns=(later, later))
    predict("shards", "out")
    assert len((folder / "part-0.csv").read_text().splitlines()) == 10
    error = capsys.readouterr().err
    assert "1 shards are newer than their predictions, and predicted again" in error
    assert "9 texts of 1 shards, 1 were done before" in error
    predict("shards", "out", "overwrite=true", "top_k=2")
    assert "39 texts of 2 shards, written" in capsys.readouterr().err
    assert "predicted_category_top2" in (folder / "part-1.csv").read_text().splitlines()[0]


def test_predict_refuses_a_folder_that_was_made_in_another_way(tmp_path, predict, bundle):
    write_shards(tmp_path / "shards", [7])
    folder = predict("shards", "out")
    whole = contents(folder)
    with pytest.raises(UserError, match="was made with another top_k; choose another folder, or set overwrite=true"):
        predict("shards", "out", "top_k=2")
    settings = json.loads((folder / "_predict.json").read_text()) | {"model": "another"}
    (folder / "_predict.json").write_text(json.dumps(settings))
    with pytest.raises(UserError, match="was made with another model; choose"):
        predict("shards", "out")
    (folder / "_predict.json").write_text("no JSON")
    with pytest.raises(UserError, match="was made with another model and text and"):
        predict("shards", "out")
    (folder / "_predict.json").unlink()
    with pytest.raises(UserError, match=r"part-0\.parquet' is there, and no _predict\.json says how it was made"):
        predict("shards", "out")
    assert (folder / "part-0.parquet").read_bytes() == whole["part-0.parquet"]


def test_predict_names_the_shards_that_it_cannot_predict_and_predicts_the_others(tmp_path, predict):
    paths = write_shards(tmp_path / "shards", [7, 5, 6, 4])
    paths[1].write_bytes(paths[1].read_bytes()[:-9])
    write_shard(paths[2], [{"body": "w1", "category": None}])
    with pytest.raises(UserError) as caught:
        predict("shards", "out")
    first, second = str(caught.value).splitlines()
    assert first.startswith(f"{paths[1]}: no Parquet file")
    assert second.startswith(f"{paths[2]}: no column 'text'")
    assert set(contents(tmp_path / "out")) == {"part-0.parquet", "part-3.parquet", "_predict.json"}


@pytest.mark.parametrize(
    ("given", "output", "options", "line"),
    [
        ("shards", "out.csv", [], "output: '.*out.csv' given, and the input is of shards; name a folder"),
        ("shards", "shards", [], "output: '.*shards' is the folder of the input; name another"),
        ("shards", "no/out", [], "no/out.*(cannot|No such)"),
        ("*/part-0.csv", "out", [], "input: two shards are called 'part-0.csv', and a folder holds one"),
        ("shards", "out", ["input_format=tsv"], "input_format: 'tsv' given, and the endings of shards say theirs"),
        ("odd", "out", [], "a.tsv: shards are .csv, .jsonl, .parquet, each written in its own format"),
        ("gone/*.csv", "out", [], "input: no file '.*gone/\\*.csv'"),
        ("shards", "out", ["embeddings=true"], "embeddings: a CSV cell holds no list"),
        ("shards", "out", ["engine=spark"], "engine: unknown 'spark'; Valid: local, ray"),
        ("shards", "out", ["workers=0"], "workers: 0 given; it must be 1 or more"),
        ("shards", "out", ["workers=2"], "workers: without effect, since engine=local is one process; set engine=ray"),
        ("shards", "out", ["address=auto"], "address: without effect, since engine=local is one process"),
        ("shards", "out", ["text=body"], "no column 'body'"),
        ("shards", "out", ["model=nowhere"], "model: 'nowhere' is no bundle"),
        ("shards/part-0.csv", "out.csv", ["engine=ray"], "engine: ray given, and input is one file"),
    ],
)
def test_predict_refuses_shards_in_one_line_before_anything_is_written(tmp_path, predict, given, output, options, line):
    for folder in ("shards", "more"):
        write_shards(tmp_path / folder, [3], "csv")
    (tmp_path / "odd").mkdir()
    (tmp_path / "odd" / "a.tsv").write_text("text\nw1\n")
    with pytest.raises(UserError, match=line) as caught:
        predict(given, output, *options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def started(tmp_path, bundle, output, log, *options, **environment):
    arguments = [f"model={bundle}", "input=shards", f"output={output}", *options, *EXACT]
    return start(PREDICT, *arguments, cwd=tmp_path, log=tmp_path / log, **environment)


def wait_for_shards(folder, count, command):
    until = time.monotonic() + 300
    while len(list(folder.glob("part-*.parquet"))) < count:
        assert time.monotonic() < until
        assert not command.has_ended()
        time.sleep(0.005)


def descendants(pid):
    """Return the processes below one, with their command lines."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            parent = int(re.search(r"PPid:\s+(\d+)", (path / "status").read_text())[1])
            found[int(path.name)] = parent, (path / "cmdline").read_text()
        except OSError:  # it has ended meanwhile
            continue
    below, reached = {}, {pid}
    while new := {child for child, (parent, _) in found.items() if parent in reached} - reached:
        below |= {child: found[child][1] for child in new}
        reached |= new
    return below


@pytest.mark.slow
def test_predict_that_was_killed_continues_and_gives_every_row_once(tmp_path, predict, bundle):
    write_shards(tmp_path / "shards", [600] * 40)
    whole = contents(predict("shards", "whole"))
    command = started(tmp_path, bundle, "out", "log")
    wait_for_shards(tmp_path / "out", 2, command)
    command.kill()
    assert command.wait() < 0
    before = moments(tmp_path / "out")
    assert 2 <= len(before) < 40
    assert started(tmp_path, bundle, "out", "log").wait() == 0
    assert contents(tmp_path / "out") == whole
    assert {name: moments(tmp_path / "out")[name] for name in before} == before


def test_ray_worker_says_of_each_shard_that_its_model_cannot_be_loaded(tmp_path):
    """Ray would start a worker that raises again and again."""
    options = {"model": str(tmp_path), "backend": "torch", "precision": "32-true", "device": "cpu", "dimensions": None}
    worker = RayWorker(options)
    results = [worker({"input": name, "output": "out"}) for name in ("a.csv", "b.csv")]
    assert all("is no bundle" in result["problem"] for result in results)


@pytest.mark.slow
def test_predict_on_ray_gives_every_row_once_though_a_worker_is_killed(tmp_path, predict, bundle):
    """Two workers of a local cluster, one of them killed in the middle; nothing listens beyond loopback."""
    pytest.importorskip("ray")
    write_shards(tmp_path / "shards", [600] * 24)
    whole = contents(predict("shards", "whole"))
    command = started(tmp_path, bundle, "out", "log", "engine=ray", "workers=2", TMPDIR="/tmp")
    wait_for_shards(tmp_path / "out", 3, command)
    workers = [pid for pid, line in descendants(command.pid).items() if line.startswith("ray::MapWorker")]
    assert len(workers) == 2
    os.kill(workers[0], signal.SIGKILL)
    assert len(list((tmp_path / "out").glob("part-*.parquet"))) < 24, "it was in the middle"
    assert command.wait() == 0, (tmp_path / "log").read_text()
    assert contents(tmp_path / "out") == whole
    tables = [parquet.read_table(path) for path in (tmp_path / "out").glob("part-*")]
    texts = [text for table in tables for text in table.column("text").to_pylist()]
    assert len(texts) == len(set(texts)) == 24 * 600
    assert f"{24 * 600:,} texts of 24 shards" in (tmp_path / "log").read_text()

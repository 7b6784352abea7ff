"""The command line of scripts/generate.py, run as a user runs it."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pyarrow import parquet

from polyhead.sources.synthetic.corpus import LABELS, HypotheticalCorpus

pytestmark = pytest.mark.slow  # each starts a process
ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "generate.py"
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT / "src"), os.environ.get("PYTHONPATH")])),
}


def run(*arguments: object, **options) -> subprocess.CompletedProcess:
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=60, **options)


def expected(split: str, size: int, seed: int, **knobs) -> list[dict]:
    settings = {"label_noise": 0, "imbalance": 1, "correlation": 0, "missing": 0, **knobs}
    sentences = HypotheticalCorpus(sizes={split: size}, seed=seed, **settings).sentences(split)
    return [{"text": text, **labels} for text, labels in sentences]


def test_generate_csv_holds_the_corpus_with_empty_cells_for_missing_labels(tmp_path):
    path = tmp_path / "sentences.csv"
    result = run("--size", 200, "--seed", 5, "--missing", "sentiment=0.5", "--output", path)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    rows = [*csv.DictReader(path.read_text(encoding="utf-8").splitlines())]
    wanted = expected("train", 200, 5, missing={"sentiment": 0.5})
    assert list(rows[0]) == ["text", *LABELS]
    assert [{key: value or None for key, value in row.items()} for row in rows] == wanted
    assert any(row["sentiment"] == "" for row in rows)
    assert [file.name for file in tmp_path.iterdir()] == ["sentences.csv"]


def test_generate_jsonl_holds_the_corpus_with_null_for_missing_labels():
    knobs = ["--label-noise", "0.1", "--imbalance", "category=4", "topic=2", "--correlation", "0.5"]
    result = run("--size", 200, "--format", "jsonl", "--missing", "0.3", *knobs, "--output", "-")
    assert result.returncode == 0, result.stderr
    wanted = expected(
        "train", 200, 0, label_noise=0.1, imbalance={"category": 4, "topic": 2}, correlation=0.5, missing=0.3
    )
    assert [json.loads(line) for line in result.stdout.splitlines()] == wanted
    assert "null" in result.stdout


def test_generate_parquet_holds_the_corpus_with_null_for_missing_labels(tmp_path):
    path = tmp_path / "sentences.parquet"
    result = run("--size", 200, "--format", "parquet", "--missing", "0.3", "--output", path)
    assert (result.returncode, result.stderr) == (0, "")
    assert parquet.read_table(path).to_pylist() == expected("train", 200, 0, missing=0.3)


def test_generate_keeps_an_existing_file_unless_forced(tmp_path):
    path = tmp_path / "sentences.csv"
    path.write_text("precious")
    result = run("--size", 3, "--output", path)
    assert result.returncode == 2
    assert result.stderr.startswith(f"error: output: {path} exists;")
    assert path.read_text() == "precious"
    assert run("--size", 3, "--output", path, "--force").returncode == 0
    assert path.read_text().startswith("text,category,")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--split", "tset"], "error: split: unknown split 'tset'; did you mean 'test'?"),
        (["--format", "xml"], "error: format: unknown format 'xml'; Valid: csv, jsonl, parquet"),
        (["--format", "parquet", "--output", "-"], "error: output: Parquet cannot be written to standard output"),
        (["--size", "-4"], "error: size: -4 given; it must be a whole number, 0 to 1000000000"),
        (["--size", "many"], "error: size: invalid int value: 'many'"),
        (["--label-noise", "2"], "error: label_noise: 2.0 given; it must be a number from 0 to 1"),
        (["--imbalance", "category=0"], "error: imbalance.category: 0.0 given;"),
        (
            ["--missing", "sentimant=0.1"],
            "error: missing: unknown task 'sentimant'; did you mean 'sentiment'",
        ),
        (["--missing", "a=b=c"], "error: missing: 'a=b=c' given; give a number, or pairs"),
        (["--correlation", "nan"], "error: correlation: nan given"),
        (["--sizes", "4"], "error: unrecognized arguments: --sizes 4"),
    ],
)
def test_generate_refuses_bad_input_in_one_line_with_exit_code_2(tmp_path, arguments, message):
    path = tmp_path / "sentences.csv"
    result = run("--size", "5", "--output", path, *arguments)
    assert result.returncode == 2
    assert result.stderr.startswith(message)
    assert result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_generate_refuses_a_folder_that_is_not_there_and_one_that_is(tmp_path):
    for path, message in ((tmp_path / "no" / "a.csv", "cannot write in"), (tmp_path, "is a folder")):
        result = run("--size", "5", "--force", "--output", path)
        assert result.returncode == 2
        assert result.stderr.startswith("error: output: ")
        assert message in result.stderr
        assert result.stderr.count("\n") == 1


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_generate_leaves_nothing_behind_when_it_is_interrupted(tmp_path, form):
    arguments = ["--size", "100000000", "--format", form, "--output", str(tmp_path / "sentences")]
    process = subprocess.Popen([sys.executable, str(SCRIPT), *arguments], env=ENVIRONMENT, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 60
    while not list(tmp_path.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1] == b"interrupted\n"
    assert process.returncode == 130
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform == "win32", reason="no such pipes there")
def test_generate_ends_quietly_when_its_pipe_is_closed():
    command = [sys.executable, str(SCRIPT), "--size", "200000", "--output", "-"]
    process = subprocess.Popen(command, env=ENVIRONMENT, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout.readline() == b"text,category,sentiment,topic\n"
    process.stdout.close()
    assert process.wait(timeout=60) == 0
    assert process.stderr.read() == b""
    process.stderr.close()

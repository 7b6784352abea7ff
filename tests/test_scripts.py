"""The scripts that have no other test: their figures, and what they say to bad input."""

import json
import os
import subprocess
import sys

import pytest
import torch
from conftest import ROOT

from polyhead.features import FeatureStore


def script(name, *arguments, **environment):
    return subprocess.run(
        [sys.executable, str(ROOT / "scripts" / f"{name}.py"), *arguments],
        capture_output=True,
        text=True,
        env=os.environ | {"HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"} | environment,
        timeout=300,
    )


def test_features_are_shown_and_cleared(tmp_path):
    store = FeatureStore(str(tmp_path), 1)
    store.get("abc", (1000, 250), torch.float32, lambda array: array.fill_(0))
    shown = script("features", "show", POLYHEAD_FEATURES=str(tmp_path))
    assert "abc" in shown.stdout
    assert f"{tmp_path}: 1.0 MB of at most 20 GB" in shown.stdout
    cleared = script("features", "clear", POLYHEAD_FEATURES=str(tmp_path))
    assert "1 entries removed, 1.0 MB freed" in cleared.stdout
    assert store.entries() == []


def test_a_wrong_action_is_refused():
    done = script("features", "clean")
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "name what to measure: encode, finetune"),
        (["encod"], "no benchmark is called 'encod'; did you mean 'encode'"),
        (["encode", "devise=gpu"], "no option is called 'devise'; did you mean 'device'"),
        (["encode", "repeats=many"], "repeats=many: it must be a whole number"),
        (["encode", "device=tpu"], "device=tpu: it must be cpu or gpu"),
        (["encode", "data=nowhere"], "data=nowhere: neither hypothetical nor a file"),
        (["encode", "encoder=gpt"], "encoder=gpt: it must be minilm or bert_base"),
    ],
)
def test_the_benchmark_refuses_what_it_does_not_know_in_one_line(arguments, message):
    done = script("benchmark", *arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert message in line


@pytest.mark.slow
@pytest.mark.parametrize("name", ["encode", "finetune", "frozen", "partial", "corpus", "load"])
def test_a_benchmark_measures_every_contestant(tmp_path, name):
    report = tmp_path / "report.json"
    arguments = ["rows=64", "repeats=1", "epochs=1", "frozen_epochs=2", "clients=8", "seconds=2", f"json={report}"]
    if name == "partial":  # from files, joined to one length
        for split in ("train", "validation", "test"):
            rows = "".join(f"words of {split} {i},{'ab'[i % 2]},{'xy'[i % 2]}\n" for i in range(40))
            (tmp_path / f"{split}.csv").write_text("text,category,sentiment\n" + rows)
        arguments += [f"data={tmp_path}", "length=24"]
    done = script("benchmark", name, *arguments)
    assert done.returncode == 0, done.stderr
    content = json.loads(report.read_text())
    (result,) = content["results"]
    assert len(result["entries"]) >= (2 if name == "load" else 3)
    assert all(rate > 0 for entry in result["entries"] for rate in entry["rates"])
    assert content["machine"]["hardware"]["threads"] >= 1
    if name == "encode":
        cosines = {entry["name"]: entry["extra"]["min cosine"][0] for entry in result["entries"]}
        assert cosines["polyhead, 32-true"] > 0.99999
        assert cosines["polyhead, bf16"] > 0.9995


@pytest.mark.slow
def test_the_contest_of_serving_measures_every_backend_and_peer(monkeypatch, tmp_path):
    texts = tmp_path / "texts.csv"  # texts alone: no labels are needed
    texts.write_text("text\n" + "".join(f"sentence {'and more ' * (row % 7)}{row}\n" for row in range(32)))
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from benchmarks import measuring, serving
    from benchmarks.settings import Settings

    monkeypatch.setattr(serving, "compete", lambda *given, apart: measuring.compete(*given))  # in this process: faster
    outcome = serving.serve(Settings(data=str(texts), repeats=1))
    assert all(rate > 0 for entry in outcome.entries for rate in entry.rates)
    cosines = {entry.name: entry.extra["min cosine"][0] for entry in outcome.entries if "min cosine" in entry.extra}
    assert all(entry.extra["first pass"][0] > 0 for entry in outcome.entries)
    assert len(outcome.entries) == 9
    assert cosines.pop("polyhead, onnx-int8, 32-true") > 0.9
    assert all(cosine > (0.9995 if "bf16" in name else 0.99999) for name, cosine in cosines.items()), cosines


@pytest.mark.slow
def test_the_probe_prints_a_row_a_baseline():
    done = script("probe", "--seeds", "0")
    assert done.returncode == 0, done.stderr
    rows = {line[:24].strip(): [float(value) for value in line.split()[-3:]] for line in done.stdout.splitlines()[1:]}
    majority, words, probe = (rows[name] for name in ("majority class", "TF-IDF + regression", "linear probe"))
    assert all(a < b < c for a, b, c in zip(majority, words, probe, strict=True))

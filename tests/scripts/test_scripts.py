"""The scripts that have no other test: their figures, and what they say to bad input."""

import json
from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from support.commands import ROOT, script

from polyhead.data.token_cache import TokenCache
from polyhead.data.tokenization import TokenizedSentences
from polyhead.freezing.activation_cache import ActivationCache


def test_cache_shows_and_clears_what_is_kept_for_later_runs(tmp_path):
    folders = {name: tmp_path / name for name in ("activations", "tokens", "data")}
    environment = {f"POLYHEAD_{name.upper()}": str(folder) for name, folder in folders.items()}
    activations = ActivationCache(str(folders["activations"]), 1)
    activations.get("abc", (1000, 250), torch.float32, lambda array: array.fill_(0))
    tokens = TokenCache(str(folders["tokens"]), 1)
    ids = np.arange(100_000, dtype=np.int32)
    tokens.get("def", lambda: [TokenizedSentences(ids, np.array([0, len(ids)]))], [])
    rows = datasets.Dataset.from_generator(lambda: iter([{"text": "a"}]), cache_dir=str(folders["data"]))
    table = Path(rows.cache_files[0]["filename"])
    (folders["data"] / "precious.csv").write_text("not ours")

    shown = script("cache", "show", **environment).stdout
    assert "abc" in shown
    assert f"{folders['activations']}: 1.0 MB of at most 20 GB" in shown
    assert f"{folders['tokens']}: 0.4 MB of at most 20 GB" in shown
    cleared = script("cache", "clear", "tokens", "tables", **environment)
    assert "1 entries removed, 0.4 MB freed" in cleared.stdout
    assert cleared.stdout.count("1 entries removed") == 2
    assert len(activations.entries()) == 1
    assert tokens.entries() == []
    assert not table.exists()
    assert (folders["data"] / "precious.csv").exists()


def test_cache_takes_the_names_of_version_0_1_0_with_a_line_that_gives_the_new_ones(tmp_path):
    activations = ActivationCache(str(tmp_path / "here"), 1)
    activations.get("abc", (1000, 250), torch.float32, lambda array: array.fill_(0))
    cleared = script("cache", "clear", "features", POLYHEAD_FEATURES=str(tmp_path / "here"))
    assert "1 entries removed, 1.0 MB freed" in cleared.stdout
    assert [line.split(";")[0] for line in cleared.stderr.splitlines()] == [
        "note: features is now activations",
        "note: POLYHEAD_FEATURES is now POLYHEAD_ACTIVATIONS",
    ]
    left = tmp_path / ".cache" / "polyhead" / "features"
    left.mkdir(parents=True)
    assert f"{left}: 0.0 MB that version 0.1.0 left" in script("cache", "show", HOME=str(tmp_path)).stdout


@pytest.mark.parametrize("arguments", [["clean"], ["clear", "tablets"]])
def test_cache_refuses_what_is_not_kept(arguments):
    done = script("cache", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert arguments[-1] in done.stderr


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


def test_the_benchmark_tells_its_contests_and_every_option(monkeypatch):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from benchmarks.settings import NAMES, Settings

    done = script("benchmark", "--help")
    assert done.returncode == 0
    assert all(name in done.stdout for name in NAMES)
    assert all(f"  {name}={default}: " in done.stdout for name, default in vars(Settings()).items())


@pytest.mark.slow
@pytest.mark.parametrize("name", ["partial", "load"])
def test_a_benchmark_measures_and_reports(tmp_path, name):
    report = tmp_path / "report.json"
    arguments = ["repeats=1", "epochs=1", "clients=8", "seconds=2", f"json={report}"]
    for split in ("train", "validation", "test"):
        rows = "".join(f"words of {split} {i},{'ab'[i % 2]},{'xy'[i % 2]}\n" for i in range(40))
        (tmp_path / f"{split}.csv").write_text("text,category,sentiment\n" + rows)
    done = script("benchmark", name, *arguments, f"data={tmp_path}", "length=24")
    assert done.returncode == 0, done.stderr
    content = json.loads(report.read_text())
    (result,) = content["results"]
    assert len(result["entries"]) == {"load": 2, "partial": 3}[name]
    assert all(rate > 0 for entry in result["entries"] for rate in entry["rates"])
    assert content["machine"]["hardware"]["threads"] >= 1


@pytest.fixture
def contest(monkeypatch):
    """Hold a contest in this process: faster than a fresh one each, and what they measure is not asserted."""
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    from benchmarks import contests, encoding, measuring, serving, training
    from benchmarks.settings import Settings

    for module in (encoding, serving, training):
        monkeypatch.setattr(module, "compete", lambda *given, apart: measuring.compete(*given))
    monkeypatch.setattr(measuring.matrix_product_rate, "__defaults__", (0.1,))

    def hold(name, **options):
        outcome = contests.CONTESTS[name](Settings(**{"rows": 64, "repeats": 1, "epochs": 1} | options))
        assert all(rate > 0 for entry in outcome.entries for rate in entry.rates)
        return outcome

    return hold


@pytest.mark.slow
@pytest.mark.parametrize(("name", "contestants"), [("finetune", 4), ("frozen", 3), ("weighting", 4), ("corpus", 3)])
def test_a_contest_measures_every_contestant(contest, name, contestants):
    assert len(contest(name, frozen_epochs=2).entries) == contestants


@pytest.mark.slow
def test_the_contest_of_encoding_compares_the_embeddings(contest):
    cosines = {entry.name: entry.extra["min cosine"][0] for entry in contest("encode").entries}
    assert len(cosines) == 4
    assert cosines["polyhead, 32-true"] > 0.99999
    assert cosines["polyhead, bf16"] > 0.9995


@pytest.mark.slow
def test_the_contest_of_serving_measures_every_backend_and_peer(contest, tmp_path):
    texts = tmp_path / "texts.csv"  # texts alone: no labels are needed
    texts.write_text("text\n" + "".join(f"sentence {'and more ' * (row % 7)}{row}\n" for row in range(32)))
    outcome = contest("serve", data=str(texts))
    cosines = {entry.name: entry.extra["min cosine"][0] for entry in outcome.entries if "min cosine" in entry.extra}
    assert all(entry.extra["first pass"][0] > 0 for entry in outcome.entries)
    assert len(outcome.entries) == 9
    assert cosines.pop("polyhead, onnx-int8, 32-true") > 0.9
    assert all(cosine > (0.9995 if "bf16" in name else 0.99999) for name, cosine in cosines.items()), cosines


@pytest.mark.slow
def test_the_probe_prints_a_row_a_baseline(monkeypatch, capsys):
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import probe

    monkeypatch.setattr(probe, "SIZES", {"train": 1000, "test": 400})
    assert probe.main(["--seeds", "0"]) == 0
    printed = capsys.readouterr().out.splitlines()[1:]
    rows = {line[:24].strip(): [float(value) for value in line.split()[-3:]] for line in printed}
    majority, words, probe = (rows[name] for name in ("majority class", "TF-IDF + regression", "linear probe"))
    assert all(a < b < c for a, b, c in zip(majority, words, probe, strict=True))

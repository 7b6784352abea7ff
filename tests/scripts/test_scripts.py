"""The scripts that have no other test: their figures, and what they say to bad input."""

from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from support.commands import script

from polyhead.data.token_cache import TokenCache
from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.freezing.activation_cache import ActivationCache


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["clean"], ["clear", "tablets"]])
def test_cache_refuses_what_is_not_kept(arguments):
    done = script("cache", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert arguments[-1] in done.stderr

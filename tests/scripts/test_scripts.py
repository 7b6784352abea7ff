"""The scripts that have no other test: their figures, and what they say to bad input."""

from pathlib import Path

import datasets
import numpy as np
import pytest
import torch
from support.commands import script

from polyhead.data.token_cache import Chunk, TokenCache
from polyhead.freezing.activation_cache import ActivationCache


def test_what_is_kept_for_later_runs_is_shown_and_cleared(tmp_path):
    folders = {name: tmp_path / name for name in ("features", "tokens", "data")}
    environment = {f"POLYHEAD_{name.upper()}": str(folder) for name, folder in folders.items()}
    features = ActivationCache(str(folders["features"]), 1)
    features.get("abc", (1000, 250), torch.float32, lambda array: array.fill_(0))
    tokens = TokenCache(str(folders["tokens"]), 1)
    ids = np.arange(100_000, dtype=np.int32)
    tokens.get("def", lambda: [Chunk(ids, np.array([len(ids)]), {}, 0)], [])
    rows = datasets.Dataset.from_generator(lambda: iter([{"text": "a"}]), cache_dir=str(folders["data"]))
    table = Path(rows.cache_files[0]["filename"])
    (folders["data"] / "precious.csv").write_text("not ours")

    shown = script("cache", "show", **environment).stdout
    assert "abc" in shown
    assert f"{folders['features']}: 1.0 MB of at most 20 GB" in shown
    assert f"{folders['tokens']}: 0.4 MB of at most 20 GB" in shown
    cleared = script("cache", "clear", "tokens", "tables", **environment)
    assert "1 entries removed, 0.4 MB freed" in cleared.stdout
    assert cleared.stdout.count("1 entries removed") == 2
    assert len(features.entries()) == 1
    assert tokens.entries() == []
    assert not table.exists()
    assert (folders["data"] / "precious.csv").exists()


@pytest.mark.parametrize("arguments", [["clean"], ["clear", "tablets"]])
def test_what_is_not_kept_is_refused(arguments):
    done = script("cache", *arguments)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert arguments[-1] in done.stderr

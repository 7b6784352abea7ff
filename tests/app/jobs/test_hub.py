"""Bundles on the hub: a stand-in on this machine keeps them."""

import json
import os
import subprocess
import sys

import pytest
from support.bundles import make_bundle, spoken
from support.hub import stand_in_hub

from polyhead.app.jobs.hub import check_repository, is_repository
from polyhead.deployment.predictor import Predictor
from polyhead.errors import UserError

PROGRAM = """
import json, os, sys
import polyhead
from polyhead.app.jobs.hub import push
from pathlib import Path

first, second, texts = sys.argv[1:]
addresses = [push(Path(folder), "me/model") for folder in (first, second)]
predictions = polyhead.Predictor.load("me/model").predict(json.loads(texts))
problems = []
for name in ("me/other", "me/model/bundle"):
    try:
        polyhead.Predictor.load(name)
    except polyhead.UserError as error:
        problems.append(str(error))
os.environ["HF_TOKEN"] = "stolen"
try:
    push(Path(first), "me/model")
except polyhead.UserError as error:
    problems.append(str(error))
print(json.dumps([addresses, predictions.embeddings.tolist(), problems]))
"""


@pytest.mark.slow
def test_bundle_is_pushed_replaced_and_loaded_by_its_name(tmp_path, model, tasks):
    first, second = tmp_path / "first", tmp_path / "second"
    make_bundle(first, model, tasks)
    make_bundle(second, model, tasks)
    (first / "README.md").write_text("first")
    texts = spoken(5)
    with stand_in_hub() as hub:
        environment = os.environ | hub.environment | {"HF_HOME": str(tmp_path / "cache")}
        command = [sys.executable, "-c", PROGRAM, str(first), str(second), json.dumps(texts)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    addresses, embeddings, problems = json.loads(done.stdout.splitlines()[-1])
    assert addresses == [f"{hub.address}/me/model"] * 2
    assert embeddings == Predictor.load(second).predict(texts).embeddings.tolist()
    assert hub.private == {"me/model": True}
    stored = hub.repositories["me/model"]
    assert {*stored} - {".gitattributes"} == {
        str(path.relative_to(second)) for path in second.rglob("*") if path.is_file()
    }
    missing, no_folder, refused = problems
    assert "nothing here is called so" in missing
    assert "Repository not found" in missing
    assert "is no bundle" in no_folder
    assert refused.startswith("push: 'me/model': the hub says: Invalid username or password.; run hf auth login")


@pytest.mark.parametrize("name", ["model", "me/", "/model", "a/b/c", "../model", "me/mo del", 3])
def test_name_of_a_repository_has_an_owner(name):
    with pytest.raises(UserError, match="it must be owner/name"):
        check_repository(name)
    assert is_repository("me/model-1.0")
    check_repository(None)

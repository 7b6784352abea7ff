import json
import os
import pickle
import stat
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from support.bundles import bundle_tokenizer, make_bundle, manifest_of, naming_a_path
from support.models import random_batch

from polyhead.deployment.bundle.classifiers import write_classifiers
from polyhead.deployment.bundle.folder import Bundle, new_folder, write_model
from polyhead.deployment.bundle.manifest import seal
from polyhead.deployment.bundle.neighbors import Neighbors
from polyhead.errors import UserError


@pytest.fixture
def folder(tmp_path, model, tasks):
    return make_bundle(tmp_path / "bundle", model, tasks)


def test_bundle_gives_the_model_back(folder, model, tasks):
    bundle = Bundle.open(folder)
    loaded, batch = bundle.load_model(), random_batch()
    assert bundle.tasks == tasks
    assert not loaded.training
    for ours, theirs in zip(loaded(batch).values(), model.eval()(batch).values(), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert {name: p.shape for name, p in loaded.named_parameters()} == {
        name: p.shape for name, p in model.named_parameters()
    }


def test_bundle_holds_no_pickle_no_code_and_no_path_of_where_it_was_made(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors"}
    assert naming_a_path(folder, folder.parent) == []


@pytest.mark.parametrize(("umask", "file_mode", "folder_mode"), [(0o022, 0o644, 0o755), (0o077, 0o600, 0o700)])
def test_new_folder_has_the_modes_of_the_umask(tmp_path, model, tasks, umask, file_mode, folder_mode):
    before = os.umask(umask)
    try:
        with new_folder(tmp_path / "bundle", overwrite=False) as folder:
            write_model(folder, model.eval(), bundle_tokenizer())
            write_classifiers(folder, model, tasks, bundle_tokenizer())
            Neighbors(["one"], np.ones((1, 16), dtype=np.float32)).write(folder)
            seal(folder, manifest_of(tasks))
    finally:
        os.umask(before)
    modes = {path: stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "bundle", *tmp_path.rglob("bundle/**/*")]}
    assert {mode for path, mode in modes.items() if path.is_file()} == {file_mode}
    assert {mode for path, mode in modes.items() if path.is_dir()} == {folder_mode}
    assert Bundle.open(tmp_path / "bundle").load_model()


@pytest.mark.parametrize(
    "changes",
    [
        {"num_hidden_layers": 10**9},
        {"num_hidden_layers": 1e9},
        {"num_hidden_layers": "many"},
        {"num_attention_heads": 0},
        {"num_attention_heads": 7},
        {"hidden_size": 10**12},
        {"hidden_size": -16},
        {"hidden_size": 17},
        {"vocab_size": 90_000_000},
        {"max_position_embeddings": 99_000_000},
        {"max_position_embeddings": 10**15},
        {"intermediate_size": 80_000_000},
        {"model_type": "nonsense"},
        {"model_type": ["bert"]},
        {"hidden_act": "os.system"},
    ],
)
def test_bundle_with_a_forged_architecture_is_refused_at_once(folder, tasks, changes):
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(content | changes))
    seal(folder, manifest_of(tasks))
    started = time.monotonic()
    with pytest.raises(UserError, match="export the bundle again") as error:
        Bundle.open(folder).load_model()
    assert "\n" not in str(error.value)
    assert time.monotonic() - started < 5


class Trap:
    """A pickle that leaves a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("name", ["model.safetensors", "heads.safetensors"])
def test_bundle_refuses_a_pickle_in_disguise_without_running_it(tmp_path, folder, tasks, name):
    (folder / name).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    seal(folder, manifest_of(tasks))  # with hashes that fit
    with pytest.raises(UserError, match="safetensors.*export the bundle again"):
        Bundle.open(folder).load_model()
    assert not (tmp_path / "sprung").exists()


def test_bundle_refuses_a_pickle_beside_it_before_anything_is_read(tmp_path, folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(UserError, match=r"'model\.safetensors' is missing"):
        Bundle.open(folder)


def test_bundle_does_not_run_a_pickle_in_place_of_safetensors(tmp_path, folder, tasks):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    seal(folder, manifest_of(tasks))
    with pytest.raises(UserError):
        Bundle.open(folder).load_model()
    assert not (tmp_path / "sprung").exists()


def test_bundle_does_not_run_code_in_it(tmp_path, folder, tasks):
    (folder / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\nclass Model: pass\n")
    config = json.loads((folder / "config.json").read_text())
    auto = {"AutoConfig": "trap.Model", "AutoModel": "trap.Model"}
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "trap", "auto_map": auto}))
    seal(folder, manifest_of(tasks))
    with pytest.raises(UserError) as error:
        Bundle.open(folder).load_model()
    assert "\n" not in str(error.value)
    assert not (tmp_path / "sprung").exists()


def test_bundle_refuses_heads_of_other_tasks(folder, tasks):
    seal(folder, manifest_of(tasks[:1]))
    with pytest.raises(UserError, match=r"does not hold the heads of tasks\.json"):
        Bundle.open(folder).load_model()


def test_new_folder_leaves_nothing_when_its_block_fails(tmp_path):
    with pytest.raises(UserError, match="cannot be written"), new_folder(tmp_path / "a", overwrite=False) as folder:
        folder.write_text("fails")
    assert list(tmp_path.iterdir()) == []


def test_new_folder_says_so_when_the_disk_is_full(tmp_path):
    with pytest.raises(UserError, match="No space left"), new_folder(tmp_path / "a", overwrite=False):
        raise SafetensorError("I/O error: No space left on device (os error 28)")  # its message on a full disk
    assert list(tmp_path.iterdir()) == []


def test_new_folder_replaces_a_bundle_only_when_it_may(tmp_path):
    for content in ("first", "second"):
        with new_folder(tmp_path / "a", overwrite=True) as folder:
            (folder / content).touch()
            (folder / "tasks.json").touch()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["second", "tasks.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    with pytest.raises(UserError, match="is there already"), new_folder(tmp_path / "a", overwrite=False):
        pass


def test_new_folder_keeps_the_old_bundle_when_the_new_one_fails(tmp_path):
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "tasks.json").write_text("old")
    with pytest.raises(UserError), new_folder(tmp_path / "a", overwrite=True) as folder:
        (folder / "tasks.json" / "part").write_text("no folder of that name")
    assert (tmp_path / "a" / "tasks.json").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_new_folder_makes_its_parents_and_may_replace_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    for name in ("a/b/c", "empty"):
        with new_folder(Path(name), overwrite=True) as folder:
            (folder / "tasks.json").touch()
        assert [path.name for path in (tmp_path / name).iterdir()] == ["tasks.json"]


@pytest.mark.parametrize("name", ["mine", "mine/work.txt", "."])
def test_new_folder_never_overwrites_what_is_no_bundle(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").write_text("a year of work")
    with pytest.raises(UserError, match="is no bundle, and only those are overwritten"), new_folder(Path(name), True):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (tmp_path / "mine" / "work.txt").read_text() == "a year of work"


def test_new_folder_refuses_a_place_where_none_can_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"), new_folder(tmp_path / "file" / "a", overwrite=False):
        pass


def test_bundle_has_heads_that_are_read_without_polyhead(folder, model):
    from safetensors.numpy import load_file

    heads, batch = load_file(folder / "heads.safetensors"), random_batch()
    embeddings = model.eval().embed(batch).detach()
    expected = model.classify(embeddings)["category"].detach().numpy()
    found = embeddings.numpy() @ heads["category.weight"].T + heads["category.bias"]
    np.testing.assert_allclose(found, expected, atol=1e-5)

import json
import logging
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import SafetensorError
from support.bundles import MAX_LENGTH, make_bundle, manifest_of, texts
from support.models import FAMILIES, random_batch

from polyhead.deployment.bundle.folder import Bundle, new_folder
from polyhead.deployment.bundle.manifest import seal
from polyhead.errors import UserError
from polyhead.models.multitask import MultiTaskModel


@pytest.fixture
def folder(tmp_path, model, tasks):
    return make_bundle(tmp_path / "bundle", model, tasks)


def test_the_model_comes_back(folder, model, tasks):
    bundle = Bundle.open(folder)
    loaded, batch = bundle.load_model(), random_batch()
    assert bundle.tasks == tasks
    assert not loaded.training
    for ours, theirs in zip(loaded(batch).values(), model.eval()(batch).values(), strict=True):
        torch.testing.assert_close(ours, theirs)
    assert {name: p.shape for name, p in loaded.named_parameters()} == {
        name: p.shape for name, p in model.named_parameters()
    }


@pytest.mark.parametrize(
    ("family", "pooling"), [*((family, "mean") for family in FAMILIES), ("bert", "cls"), ("bert", "max")]
)
def test_sentence_transformers_gives_the_same_embeddings(
    tmp_path, caplog, monkeypatch, make_encoder, tasks, family, pooling
):
    from sentence_transformers import SentenceTransformer

    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    model = MultiTaskModel(make_encoder(family, pooling), tasks, 0.1)
    folder = make_bundle(tmp_path / "bundle", model, tasks)
    theirs = SentenceTransformer(str(folder), device="cpu")
    assert [type(module).__module__.split(".")[0] for module in theirs] == ["sentence_transformers"] * 2
    encoder, tokenizer = model.eval().encoder, Bundle.open(folder).load_tokenizer()
    with torch.inference_mode():
        ours = [
            encoder(torch.tensor([tokenizer(t, truncation=True, max_length=MAX_LENGTH)["input_ids"]]))[0]
            for t in texts(40)
        ]
    found = torch.from_numpy(theirs.encode(texts(40)))
    assert torch.cosine_similarity(found, torch.stack(ours)).min() > 0.99999
    torch.testing.assert_close(found, torch.stack(ours), atol=1e-5, rtol=1e-4)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [text for text in warnings if "os_token_id" not in text] == []  # the tiny vocabulary lacks modernbert's


def test_nothing_in_it_is_a_pickle_or_code_or_says_where_it_was_made(folder):
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {".json", ".safetensors"}
    assert not any(str(folder.parent).encode() in path.read_bytes() for path in files)


class Trap:
    """A pickle that leaves a file when it is loaded."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (open, (str(self.path), "w"))


@pytest.mark.parametrize("name", ["model.safetensors", "heads.safetensors"])
def test_a_pickle_in_disguise_is_refused_and_not_run(tmp_path, folder, tasks, name):
    (folder / name).write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    seal(folder, manifest_of(tasks))  # with hashes that fit
    with pytest.raises(UserError, match="its weights are no safetensors"):
        Bundle.open(folder).load_model()
    assert not (tmp_path / "sprung").exists()


def test_a_pickle_beside_it_is_refused_before_anything_is_read(tmp_path, folder):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    with pytest.raises(UserError, match=r"'model\.safetensors' is missing"):
        Bundle.open(folder)


def test_a_pickle_in_place_of_safetensors_is_not_run(tmp_path, folder, tasks):
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps(Trap(tmp_path / "sprung")))
    seal(folder, manifest_of(tasks))
    with pytest.raises(UserError):
        Bundle.open(folder).load_model()
    assert not (tmp_path / "sprung").exists()


def test_code_in_a_bundle_is_not_run(tmp_path, folder, tasks):
    (folder / "trap.py").write_text(f"open({str(tmp_path / 'sprung')!r}, 'w')\nclass Model: pass\n")
    config = json.loads((folder / "config.json").read_text())
    auto = {"AutoConfig": "trap.Model", "AutoModel": "trap.Model"}
    (folder / "config.json").write_text(json.dumps(config | {"model_type": "trap", "auto_map": auto}))
    seal(folder, manifest_of(tasks))
    with pytest.raises(UserError) as error:
        Bundle.open(folder).load_model()
    assert "\n" not in str(error.value)
    assert not (tmp_path / "sprung").exists()


def test_heads_of_other_tasks_are_refused(folder, tasks):
    seal(folder, manifest_of(tasks[:1]))
    with pytest.raises(UserError, match=r"does not hold the heads of tasks\.json"):
        Bundle.open(folder).load_model()


def test_a_new_folder_is_there_whole_or_not_at_all(tmp_path):
    with pytest.raises(UserError, match="cannot be written"), new_folder(tmp_path / "a", overwrite=False) as folder:
        folder.write_text("fails")
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match="No space left"), new_folder(tmp_path / "a", overwrite=False):
        raise SafetensorError("I/O error: No space left on device (os error 28)")  # what it says on a full disk
    assert list(tmp_path.iterdir()) == []
    for content in ("first", "second"):
        with new_folder(tmp_path / "a", overwrite=True) as folder:
            (folder / content).touch()
            (folder / "tasks.json").touch()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == ["second", "tasks.json"]
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    with pytest.raises(UserError, match="is there already"), new_folder(tmp_path / "a", overwrite=False):
        pass


@pytest.mark.parametrize("name", ["mine", "mine/work.txt", "."])
def test_what_is_no_bundle_is_never_overwritten(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "work.txt").write_text("a year of work")
    with pytest.raises(UserError, match="is no bundle, and only those are overwritten"), new_folder(Path(name), True):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert (tmp_path / "mine" / "work.txt").read_text() == "a year of work"


def test_a_folder_that_cannot_be_made_is_told(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="cannot be written"), new_folder(tmp_path / "file" / "a", overwrite=False):
        pass


def test_the_heads_can_be_read_without_polyhead(folder, model):
    from safetensors.numpy import load_file

    heads, batch = load_file(folder / "heads.safetensors"), random_batch()
    embeddings = model.eval().embed(batch).detach()
    expected = model.classify(embeddings)["category"].detach().numpy()
    found = embeddings.numpy() @ heads["category.weight"].T + heads["category.bias"]
    np.testing.assert_allclose(found, expected, atol=1e-5)

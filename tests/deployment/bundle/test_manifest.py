import json

import pytest
from support.bundles import manifest_of

from polyhead.deployment.bundle.manifest import seal, unseal
from polyhead.errors import UserError


@pytest.fixture
def folder(tmp_path, tasks):
    (tmp_path / "weights").write_bytes(b"12345")
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "config.json").write_text("{}")
    seal(tmp_path, manifest_of(tasks, category=1.5))
    return tmp_path


def edit(folder, change):
    content = json.loads((folder / "tasks.json").read_text())
    change(content)
    (folder / "tasks.json").write_text(json.dumps(content))


def test_what_is_sealed_is_read_back(folder, tasks):
    assert unseal(folder) == manifest_of(tasks, category=1.5)
    assert [entry.task for entry in unseal(folder).tasks] == list(tasks)
    files = json.loads((folder / "tasks.json").read_text())["files"]
    # printf 12345 | sha256sum
    assert files["weights"] == "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5"
    assert set(files) == {"weights", "part/config.json"}


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "weights").unlink(), "the file 'weights' is missing"),
        (lambda f: (f / "part" / "config.json").unlink(), "the file 'part/config.json' is missing"),
        (lambda f: (f / "weights").write_bytes(b"12346"), "the file 'weights' was altered"),
        (lambda f: (f / "part" / "model.bin").write_bytes(b""), "the file 'part/model.bin' is not of the bundle"),
        (lambda f: (f / "tasks.json").unlink(), "is no bundle, it has no tasks.json"),
        (lambda f: (f / "tasks.json").write_text("{"), "is not as scripts/export.py writes it"),
        (lambda f: (f / "tasks.json").write_text("[]"), "is not as scripts/export.py writes it"),
        (lambda f: (f / "tasks.json").write_bytes(b"\xff\xfe"), "is not as scripts/export.py writes it"),
    ],
)
def test_a_damaged_folder_is_refused_in_one_line(folder, damage, message):
    damage(folder)
    with pytest.raises(UserError) as error:
        unseal(folder)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.pop("tasks"),
        lambda c: c.pop("format"),
        lambda c: c.update(tasks=[]),
        lambda c: c.update(tasks=c["tasks"] * 2),
        lambda c: c.update(tasks=[{"name": "a"}]),
        lambda c: c["tasks"][0].update(labels=["one"]),
        lambda c: c["tasks"][0].update(temperature=0),
        lambda c: c["tasks"][0].update(temperature="hot"),
        lambda c: c.update(max_length=-1),
        lambda c: c.update(pooling="sum"),
        lambda c: c.update(surprise=1),
    ],
)
def test_a_manifest_that_is_not_ours_is_refused(folder, change):
    edit(folder, change)
    with pytest.raises(UserError, match="is not as scripts/export.py writes it"):
        unseal(folder)


def test_another_format_is_told(folder):
    edit(folder, lambda c: c.update(format=2))
    with pytest.raises(UserError, match="of another format than 1; export the run again"):
        unseal(folder)


def test_hidden_files_and_an_edited_card_are_no_concern(folder):
    (folder / "README.md").write_text("mine")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "x").write_text("system")
    unseal(folder)

import json

import pytest
from support.bundles import MAX_LENGTH, manifest_of

from polyhead.deployment.bundle.manifest import Manifest, TaskEntry, seal, unseal
from polyhead.errors import ParameterError, UserError
from polyhead.storage.digests import json_digest

DEEP = "deep"  # stands for more lists inside each other than Python can follow
ENTRY = {"name": "kind", "labels": ["a", "b"], "temperature": None, "metrics": {}}


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
    (folder / "tasks.json").write_text(json.dumps(content).replace(f'"{DEEP}"', "[" * 100_000 + "]" * 100_000))


def test_manifest_is_read_back_as_it_was_sealed(folder, tasks):
    assert unseal(folder) == manifest_of(tasks, category=1.5)
    assert [entry.task for entry in unseal(folder).tasks] == list(tasks)
    assert sorted(path.name for path in folder.iterdir()) == ["part", "tasks.json", "weights"]


def test_manifest_is_written_in_format_3(folder):
    content = json.loads((folder / "tasks.json").read_text())
    assert content.pop("digest") == json_digest(content)
    files = content.pop("files")
    # printf 12345 | sha256sum
    assert files["weights"] == "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5"
    assert list(files) == ["part/config.json", "weights"]
    metrics = {"accuracy": 0.5}
    assert content == {
        "format": 3,
        "tasks": [
            {"name": "category", "labels": ["Quote", "Riddle", "News"], "temperature": 1.5, "metrics": metrics},
            {"name": "sentiment", "labels": ["Positive", "Negative"], "temperature": None, "metrics": metrics},
        ],
        "max_length": MAX_LENGTH,
        "made_with": {"polyhead": "0"},
        "quantization": {},
        "windows": 1,
    }


def test_manifest_of_format_1_is_read_under_the_names_of_today(folder):
    def to_format_1(content):
        content.update(format=1, pooling="mean")
        del content["quantization"], content["digest"]
        content["quantisation"] = {"category": {"float32": 0.75, "int8": 0.5}}
        content["tasks"][0]["metrics"] = {"accuracy": 0.5, "calibration_error": 0.25, "calibration_error_scaled": 0.125}

    edit(folder, to_format_1)
    manifest = unseal(folder)
    assert manifest.quantization == {"category": {"float32": 0.75, "int8": 0.5}}
    assert manifest.tasks[0].metrics == {"accuracy": 0.5, "ece": 0.25, "ece_scaled": 0.125}
    assert manifest.tasks[0].temperature == 1.5
    assert manifest.tasks[1].metrics == {"accuracy": 0.5}


def test_manifest_of_format_2_leaves_pooling_to_the_modules(folder, tasks):
    edit(folder, lambda content: [content.update(format=2, pooling="cls"), content.pop("digest")])
    assert unseal(folder) == manifest_of(tasks, category=1.5)


def test_manifest_of_a_newer_format_is_refused_with_what_to_do(folder):
    edit(folder, lambda content: content.update(format=5, files={}, shape="unknown"))
    message = "has format 5, and this version of polyhead reads formats up to 4; install a newer polyhead, or export"
    with pytest.raises(UserError, match=message) as error:
        unseal(folder)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "weights").unlink(), "the file 'weights' is missing"),
        (lambda f: (f / "part" / "config.json").unlink(), "the file 'part/config.json' is missing"),
        (lambda f: (f / "weights").write_bytes(b"12346"), "the file 'weights' was altered"),
        (lambda f: (f / "part" / "model.bin").touch(), "the file 'part/model.bin' does not belong to the bundle"),
        (lambda f: (f / "tasks.json").unlink(), "is no bundle, it has no tasks.json"),
        (lambda f: (f / "tasks.json").write_text("{"), "is not as scripts/export.py writes it"),
        (lambda f: (f / "tasks.json").write_text("[]"), "is not as scripts/export.py writes it"),
        (lambda f: (f / "tasks.json").write_bytes(b"\xff\xfe"), "is not as scripts/export.py writes it"),
    ],
)
def test_unseal_refuses_a_damaged_folder_in_one_line(folder, damage, message):
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
        lambda c: c.pop("files"),
        lambda c: c.update(files=None),
        lambda c: c.update(format=0),
        lambda c: c.update(format="2"),
        lambda c: c.update(format=1, tasks=[1]),
        lambda c: c.update(tasks=[]),
        lambda c: c.update(tasks=c["tasks"] * 2),
        lambda c: c.update(tasks=[{"name": "a"}]),
        lambda c: c["tasks"][0].update(labels=["one"]),
        lambda c: c["tasks"][0].update(labels="abc"),
        lambda c: c["tasks"][0].update(labels=[1, 2]),
        lambda c: c["tasks"][0].update(temperature=0),
        lambda c: c["tasks"][0].update(temperature="hot"),
        lambda c: c.update(max_length=-1),
        lambda c: c.update(max_length="64"),
        lambda c: c.update(pooling="mean"),
        lambda c: c.update(quantisation={}),
        lambda c: c.update(surprise=1),
        lambda c: c.update(max_length=10**9),
        lambda c: c.update(max_length=True),
        lambda c: c.update(windows=0),
        lambda c: c.update(windows=True),
        lambda c: c.update(windows=10**9),
        lambda c: c.update(made_with=["a"]),
        lambda c: c.update(made_with={"run": 1}),
        lambda c: c.update(quantization={"category": 0.5}),
        lambda c: c.update(quantization={"category": {"int8": True}}),
        lambda c: c.update(tasks={"category": 1}),
        lambda c: c["tasks"][0].update(name=1),
        lambda c: c["tasks"][0].update(name="../x"),
        lambda c: c["tasks"][0].update(labels=["a", "a"]),
        lambda c: c["tasks"][0].update(labels=["a", None]),
        lambda c: c["tasks"][0].update(labels={"a": 1, "b": 2}),
        lambda c: c["tasks"][0].update(labels=10**12),
        lambda c: c["tasks"][0].update(labels=["a"] * 10**5),
        lambda c: c["tasks"][0].update(temperature=True),
        lambda c: c["tasks"][0].update(temperature=float("nan")),
        lambda c: c["tasks"][0].update(temperature=float("inf")),
        lambda c: c["tasks"][0].update(temperature=1e-300),
        lambda c: c["tasks"][0].update(temperature=1e300),
        lambda c: c["tasks"][0].update(temperature=10**400),
        lambda c: c["tasks"][0].update(metrics={"accuracy": "high"}),
        lambda c: c["tasks"][0].update(metrics={"accuracy": float("nan")}),
        lambda c: c["tasks"][0].update(metrics=[]),
        lambda c: c.update(tasks=DEEP),
    ],
)
def test_unseal_refuses_a_manifest_that_export_does_not_write(folder, change):
    edit(folder, change)
    with pytest.raises(UserError, match="is not as scripts/export.py writes it") as error:
        unseal(folder)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 500


def test_unseal_accepts_hidden_files_and_an_edited_card(folder, tasks):
    (folder / "README.md").write_text("mine")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "x").write_text("system")
    assert unseal(folder) == manifest_of(tasks, category=1.5)


def test_unseal_accepts_papers_beside_the_model_and_none_below_it(folder, tasks):
    for name in ("LICENSE", "NOTICE.txt", "CITATION.cff"):
        (folder / name).write_text("mine")
        assert unseal(folder) == manifest_of(tasks, category=1.5)
    (folder / "below").mkdir()
    (folder / "below" / "LICENSE").write_text("mine")
    with pytest.raises(UserError, match="the file 'below/LICENSE' does not belong to the bundle"):
        unseal(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": "ab"}, "labels: 'ab' given; it must be a list of class names"),
        ({"temperature": -1.0}, "temperature: -1.0 given; it must be between 1e-6 and 1e6, or None"),
        ({"temperature": float("inf")}, "temperature: inf given"),
    ],
)
def test_task_entry_names_the_parameter_that_does_not_fit(change, message):
    with pytest.raises(ParameterError, match=message):
        TaskEntry(**ENTRY | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tasks": []}, r"tasks: \[\] given; it must be at least one, and each name once"),
        ({"max_length": 0}, "max_length: 0 given; it must be a whole number from 1 to 1000000"),
        ({"max_length": 1.5}, "max_length: 1.5 given"),
    ],
)
def test_manifest_names_the_parameter_that_does_not_fit(change, message):
    with pytest.raises(ParameterError, match=message):
        Manifest(**{"tasks": [TaskEntry(**ENTRY)], "max_length": 8, "made_with": {}} | change)

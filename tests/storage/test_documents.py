import json
import os
import time

import pytest
from omegaconf import OmegaConf

from polyhead.storage import documents
from polyhead.storage.documents import parse_yaml, read_json, read_yaml

ALIASES = "a: &a [x, x]\n" + "".join(
    f"{b}: &{b} [*{a}, *{a}, *{a}, *{a}]\n" for a, b in zip("abcdefghij", "bcdefghijk", strict=True)
)

BOMBS = {
    "aliases that double": ALIASES,
    "an alias of itself": "a: &a [*a]",
    "merged mappings": "a: &a {x: 1}\nb: {<<: *a}",
    "brackets": "[" * 300_000,
    "brackets that end": "[" * 60 + "]" * 60,
    "mappings": "{a: " * 100_000,
    "indented mappings": "\n".join(" " * depth + "a:" for depth in range(1_000)),
    "dashes": "- " * 300_000,
    "question marks": "? " * 300_000,
    "many entries": "a: [" + "1, " * 300_000 + "1]",
    "many documents": "---\n" * 100_000,
    "a long text": "a: " + "x" * 1_000_000,
    "a long text in quotes": 'a: "' + "x\n\n" * 300_000 + '"',
    "a number of base 60": "a: " + "1:" * 500_000 + "1",
    "a long whole number": "a: " + "9" * 9_000,
    "a tag of Python's": "a: !!python/object/apply:os.system [true]",
    "a tag of its own": "a: !x y",
    "an empty number": 'a: !!int ""',
    "a key that is a list": "? [a]\n: 1",
    "no YAML": "a: [b",
    "a control character": "\x00",
    "too large": "# \n" * 1_400_000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_yaml_that_explodes_is_refused_at_once(tmp_path, name):
    (tmp_path / "config.yaml").write_text(BOMBS[name])
    started = time.monotonic()
    with pytest.raises(ValueError, match=".") as error:
        read_yaml(tmp_path / "config.yaml")
    assert time.monotonic() - started < 60  # and not for ever
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 250


@pytest.mark.parametrize(
    "text",
    [
        "a: 1e-4\nb: 1.0e-08\nc: .5\nd: 1_000\ne: -2\nf: 1e3",
        "a: true\nb: null\nc: ~\nd: 'no'\ne: [on, off]",
        "a: 2020-01-01\nb: 0x1f\nc: 010\nd: .inf\ne: 1:30\nf: 1e\ng: +1.5",
        "{}",
        "a:\n- b: [c, {d: 'e: f'}]",
    ],
)
def test_yaml_is_read_as_omegaconf_reads_it(text):
    assert parse_yaml(text) == OmegaConf.to_container(OmegaConf.create(text))


@pytest.mark.slow
def test_yaml_at_the_bounds_is_read_in_a_second():
    started = time.monotonic()
    assert len(parse_yaml("\n".join(f"key{number}: {number}" for number in range(49_000)))) == 49_000
    assert time.monotonic() - started < 60  # and not for ever


@pytest.mark.parametrize(
    "text",
    ["[" * 100_000 + "]" * 100_000, '{"a":' * 50_000, "[NaN]", "[-Infinity]", "[Infinity]", "[", "", "9" * 5_000, "{]"],
)
def test_json_out_of_bounds_is_refused(tmp_path, text):
    (tmp_path / "a.json").write_text(text)
    with pytest.raises(ValueError, match=".") as error:
        read_json(tmp_path / "a.json")
    assert "\n" not in str(error.value)


def test_json_of_too_many_bytes_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(documents, "JSON_BYTES", 10)
    (tmp_path / "a.json").write_text(json.dumps("x" * 8))
    assert read_json(tmp_path / "a.json") == "x" * 8
    (tmp_path / "a.json").write_text(json.dumps("x" * 9))
    with pytest.raises(ValueError, match="more than 10 bytes"):
        read_json(tmp_path / "a.json")


def test_documents_that_are_no_files_are_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "endless").symlink_to("/dev/zero")
    for name in ("pipe", "endless", "missing", "."):
        for read in (read_yaml, read_json):
            with pytest.raises(OSError, match="no such file"):
                read(tmp_path / name)

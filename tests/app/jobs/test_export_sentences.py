"""The sentences that a bundle stores come from a split of the run or from a table."""

from types import SimpleNamespace

import pytest
from hydra import compose, initialize_config_dir
from support.commands import ROOT

from polyhead.app.jobs.export import stored_sentences
from polyhead.errors import UserError
from polyhead.sources.rows import Sentence


def stored(*options):
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("export", ["run=run", *options])
    sentences = [Sentence("a training sentence", {})]
    return stored_sentences(config, SimpleNamespace(sentences=lambda split: sentences))


@pytest.mark.parametrize(
    ("name", "content", "options"),
    [
        ("a.txt", "one\n\n two, 2 \n", []),
        ("a.csv", 'id,text\n1,one\n2,\n3," two, 2 "\n', []),
        ("a.tsv", "id\ttext\n1\tone\n2\t \n3\t two, 2 \n", []),
        ("a.jsonl", '{"review": "one"}\n{"review": " two, 2 "}\n', ["text=review"]),
        ("a.dat", "one\n two, 2 \n".encode("utf-16"), ["input_format=txt", "encoding=utf-16"]),
    ],
)
def test_stored_sentences_are_those_of_the_file_that_are_not_blank(tmp_path, name, content, options):
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    assert stored(f"sentences={tmp_path / name}", *options) == ["one", " two, 2 "]


def test_stored_sentences_may_be_a_split_of_the_run():
    assert stored("sentences=train") == ["a training sentence"]


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", "review\none\n", r"a\.csv: no column 'text' for the text, set text"),
        ("a.dat", "one\n", r"a\.dat: unknown kind of file; .* or set input_format"),
        ("a.txt", "\n\n", r"a\.txt' holds none; set sentences=null"),
    ],
)
def test_stored_sentences_refuse_a_file_without_any(tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=message):
        stored(f"sentences={tmp_path / name}")


def test_stored_sentences_refuse_what_is_neither_a_split_nor_a_file():
    with pytest.raises(UserError, match="'trian' is no file; give one, or a split: train, validation, test"):
        stored("sentences=trian")

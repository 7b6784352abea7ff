import pytest

from polyhead.errors import UserError
from polyhead.sources.base import Source


def test_source_of_sentences_alone_has_one_test_set_and_nothing_to_keep():
    source = Source()
    assert source.test_sets == ("test",)
    assert source.mixture("train") is None
    assert source.fingerprint("train") is None
    assert source.check(()) is None
    assert source.locate("test", 2) == "test sentence 3"


def test_source_of_sentences_alone_finds_no_labels():
    with pytest.raises(UserError, match="no labels given for tone, and this data has none"):
        Source().find_labels(["tone"])

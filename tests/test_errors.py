import pytest

from polyhead.errors import UserError, did_you_mean, require_extra


def test_the_nearest_come_first_and_all_are_listed():
    assert did_you_mean("backbon", ["none", "backbone", "all"]) == "did you mean 'backbone'? Valid: all, backbone, none"


def test_without_a_near_one_only_the_valid_ones_are_listed():
    assert did_you_mean("xyz", ["b", "a"]) == "Valid: a, b"


def test_of_very_many_the_rest_is_counted():
    message = did_you_mean("class999", [f"class{i:03}" for i in range(700)])
    assert message.startswith("did you mean 'class")
    assert message.endswith("class048, class049 and 650 more")


def test_a_missing_library_is_told_with_what_to_install():
    message = 'output: no_such_library is not installed; run: pip install "polyhead[parquet]"'
    with pytest.raises(UserError) as caught, require_extra("parquet", "output"):
        import no_such_library  # noqa: F401
    assert str(caught.value) == message


def test_a_library_that_is_there_but_too_old_is_not_called_missing():
    with (
        pytest.raises(UserError, match="cannot import name 'no_such_name' from 'json'") as caught,
        require_extra("a", "b"),
    ):
        from json import no_such_name  # noqa: F401
    assert "not installed" not in str(caught.value)

import pytest

from polyhead.errors import (
    ParameterError,
    UserError,
    check_parameters,
    collect_errors,
    did_you_mean,
    interruptible,
    parameters_under,
    require_extra,
)


def test_check_parameters_names_every_value_that_is_not_allowed_and_no_other():
    check_parameters(("rank", 1, True, "1 or more"))
    with pytest.raises(ParameterError) as caught:
        check_parameters(("rank", 0, False, "1 or more"), ("alpha", 1, True, "above 0"), ("name", "", False, "a word"))
    assert str(caught.value) == "rank: 0 given; it must be 1 or more\nname: '' given; it must be a word"


def test_parameters_under_puts_the_key_in_front_of_every_parameter():
    with pytest.raises(ParameterError) as caught, parameters_under("a"), parameters_under("b"):
        check_parameters(("x", 0, False, "1"), ("y.z", 0, False, "2"))
    assert str(caught.value) == "a.b.x: 0 given; it must be 1\na.b.y.z: 0 given; it must be 2"


def test_parameters_under_leaves_other_errors_as_they_are():
    with pytest.raises(UserError) as caught, parameters_under("a"):
        raise UserError("no parameter at all")
    assert str(caught.value) == "no parameter at all"


def test_collect_errors_adds_the_lines_of_a_user_error_and_raises_others():
    problems = ["before"]
    with collect_errors(problems):
        raise UserError("one\ntwo")
    assert problems == ["before", "one", "two"]
    with pytest.raises(KeyError), collect_errors(problems):
        raise KeyError


def test_interruptible_ends_with_the_exit_code_of_shells(capsys):
    with pytest.raises(SystemExit) as end, interruptible():
        raise KeyboardInterrupt
    assert end.value.code == 130
    assert capsys.readouterr().err == "interrupted\n"


def test_did_you_mean_names_the_nearest_first_and_lists_all():
    assert did_you_mean("backbon", ["none", "backbone", "all"]) == "did you mean 'backbone'? Valid: all, backbone, none"


def test_did_you_mean_lists_the_valid_ones_where_none_is_near():
    assert did_you_mean("xyz", ["b", "a"]) == "Valid: a, b"


def test_did_you_mean_counts_the_rest_of_very_many():
    message = did_you_mean("class999", [f"class{i:03}" for i in range(700)])
    assert message.startswith("did you mean 'class")
    assert message.endswith("class048, class049 and 650 more")


def test_require_extra_names_what_to_install_for_a_missing_library():
    message = 'output: no_such_library is not installed; run: pip install "polyhead[parquet]"'
    with pytest.raises(UserError) as caught, require_extra("parquet", "output"):
        import no_such_library  # noqa: F401
    assert str(caught.value) == message


def test_require_extra_does_not_call_an_old_library_missing():
    with (
        pytest.raises(UserError, match="cannot import name 'no_such_name' from 'json'") as caught,
        require_extra("a", "b"),
    ):
        from json import no_such_name  # noqa: F401
    assert "not installed" not in str(caught.value)

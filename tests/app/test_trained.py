import pytest

from polyhead.app.trained import read_config
from polyhead.errors import UserError


@pytest.mark.parametrize("content", ["a: [b", "\t: x", "a: b: c", "\x00"])
def test_a_configuration_that_is_no_yaml_is_told_in_one_line(tmp_path, content):
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(UserError, match=r"config.yaml' cannot be read; give the folder of a finished run") as error:
        read_config(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["", "[]", "hello", "tasks: {}"])
def test_one_of_something_else_is_told_too(tmp_path, content):
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(UserError, match="is no configuration of this version of polyhead; train again"):
        read_config(tmp_path)

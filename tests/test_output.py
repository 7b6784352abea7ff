import pytest

from polyhead.errors import UserError
from polyhead.output import OutputFile, check_output


class Text(OutputFile):
    def __init__(self, path):
        super().__init__(path)
        self.file = self.partial.open("w")

    def close(self):
        self.file.close()


def test_the_file_takes_its_name_when_it_is_complete(tmp_path):
    with Text(tmp_path / "a.txt") as file:
        file.file.write("whole")
        assert [path.name for path in tmp_path.iterdir()] == ["a.txt.partial"]
    assert (tmp_path / "a.txt").read_text() == "whole"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


def test_failure_leaves_what_was_there(tmp_path):
    (tmp_path / "a.txt").write_text("before")
    with pytest.raises(TypeError), Text(tmp_path / "a.txt") as file:
        file.file.write(b"fails")
    assert (tmp_path / "a.txt").read_text() == "before"
    assert [path.name for path in tmp_path.iterdir()] == ["a.txt"]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.csv", r"must end in \.npy or \.txt"),
        ("there.txt", "is there already; choose another name, or set overwrite=true"),
        ("nowhere/a.txt", "is not there or cannot be written to"),
    ],
)
def test_a_name_that_cannot_be_written_to_is_refused(tmp_path, name, message):
    (tmp_path / "there.txt").touch()
    with pytest.raises(UserError, match=message):
        check_output(tmp_path / name, (".npy", ".txt"), overwrite=False)
    check_output(tmp_path / "there.txt", (".npy", ".txt"), overwrite=True)

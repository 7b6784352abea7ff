import pytest

from polyhead.deployment.bundle.checksums import check_files, checksums
from polyhead.errors import UserError

# printf 12345 | sha256sum
SHA256 = "5994471abb01112afcc18159f6cc74b4f511b99806da59b3caf5a9c173cacfc5"


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "part").mkdir()
    (tmp_path / "part" / "b").write_bytes(b"12345")
    (tmp_path / "a").write_bytes(b"12345")
    (tmp_path / "card").write_bytes(b"mine")
    return tmp_path


def test_checksums_are_the_sha256_of_every_file_by_its_relative_name(folder):
    assert checksums(folder, {"card"}) == {"a": SHA256, "part/b": SHA256}


def test_checksums_pass_over_hidden_files_and_folders(folder):
    (folder / ".git").mkdir()
    (folder / ".git" / "x").touch()
    (folder / "part" / ".hidden").touch()
    assert set(checksums(folder, {"card"})) == {"a", "part/b"}


def test_check_files_accepts_files_as_they_were(folder):
    check_files(folder, checksums(folder, {"card"}), {"card"})
    (folder / "card").write_bytes(b"edited")
    check_files(folder, {"a": SHA256, "part/b": SHA256}, {"card"})


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda f: (f / "a").unlink(), "the file 'a' is missing; copy or export the bundle again"),
        (lambda f: (f / "part" / "b").unlink(), "the file 'part/b' is missing"),
        (lambda f: (f / "a").write_bytes(b"12346"), "the file 'a' was altered; copy or export the bundle again"),
        (lambda f: (f / "part" / "c").touch(), "the file 'part/c' does not belong to the bundle; remove it"),
    ],
)
def test_check_files_names_the_file_that_differs(folder, damage, message):
    damage(folder)
    with pytest.raises(UserError) as error:
        check_files(folder, {"a": SHA256, "part/b": SHA256}, {"card"})
    assert message in str(error.value)
    assert "\n" not in str(error.value)

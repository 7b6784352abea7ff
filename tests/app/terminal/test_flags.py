import pytest

from polyhead.app.terminal.flags import KeyParser


@pytest.fixture
def parser():
    parser = KeyParser("Does it.", "RUN [RUN ...]")
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--output", default="a")
    parser.add_argument("--label-noise", nargs="+", default=["0"])
    parser.add_argument("--force", action="store_true")
    parser.add_argument("--count", type=int, default=1)
    return parser


@pytest.mark.parametrize(
    "arguments",
    [
        ["x", "output=b c", "label_noise=[p=1,q=2]", "force=true", "count=3"],
        ["x", "output=b c", "label_noise={p: 1, q: 2}", "force=yes", "count=3"],
        ["output=b c", "label_noise=p=1,q=2", "force=true", "x", "count=3"],
        ["x", "--output", "b c", "--label-noise", "p=1", "q=2", "--force", "--count", "3"],
    ],
)
def test_keys_are_the_flags_of_earlier_versions(parser, arguments):
    options = parser.parse(arguments)
    assert vars(options) == {
        "runs": ["x"],
        "output": "b c",
        "label_noise": ["p=1", "q=2"],
        "force": True,
        "count": 3,
    }


def test_keys_without_a_flag_are_arguments_as_they_are(parser):
    options = parser.parse(["runs/0_freeze=none,seed=1", "force=false"])
    assert options.runs == ["runs/0_freeze=none,seed=1"]
    assert options.force is False


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["x", "count=many"], "count: invalid int value: 'many'"),
        (["x", "--cou", "3"], "unrecognized arguments: --cou"),
        ([], "the following arguments are required: runs"),
    ],
)
def test_keys_that_are_wrong_end_in_one_line(parser, capsys, arguments, message):
    with pytest.raises(SystemExit) as ended:
        parser.parse(arguments)
    assert ended.value.code == 2
    errors = capsys.readouterr().err
    assert errors.startswith(f"error: {message}")
    assert errors.count("\n") == 1


def test_keys_are_shown_as_they_are_typed(parser):
    text = parser.format_help()
    assert "RUN [RUN ...] [key=value ...]" in text
    for shown in ("  output=OUTPUT", "  label_noise=[LABEL_NOISE,...]", "  force=true", "  count=COUNT"):
        assert shown in text
    assert "--output" not in text

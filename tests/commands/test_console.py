"""``polyhead COMMAND``: which commands there are, and what it says to bad input."""

import sys

import pytest
from support.commands import ROOT, run

import polyhead
from polyhead.app.terminal.command_names import COMMANDS, as_called, program

MODULES = {path.stem for path in (ROOT / "src" / "polyhead" / "commands").glob("*.py")} - {"__init__", "console"}


@pytest.fixture
def polyhead_command(tmp_path):
    """Run ``polyhead`` with arguments in an empty folder; return its exit code, output and errors."""

    def run_command(*arguments):
        done = run(ROOT / "tests" / "support" / "polyhead", *arguments, cwd=tmp_path)
        return done.returncode, done.stdout, done.stderr

    return run_command


@pytest.mark.slow
def test_every_module_of_the_folder_is_a_command_and_help_lists_it(polyhead_command):
    code, output, _ = polyhead_command("--help")
    assert code == 0
    assert {*COMMANDS} == MODULES | {"sweep"}
    assert all(f"\n  {name} " in output for name in COMMANDS)


@pytest.mark.parametrize("name", sorted(MODULES - {"init"}))
def test_every_command_but_init_has_a_script_in_the_checkout(name):
    path = ROOT / ("train.py" if name == "train" else f"scripts/{name}.py")
    assert f"from polyhead.commands.{name} import command" in path.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_help_of_a_command_speaks_of_polyhead(polyhead_command, name):
    code, output, _ = polyhead_command(name, "--help")
    own = name if name != "sweep" else "train"
    assert not code
    assert f"polyhead {own} " in output
    assert f"{own}.py" not in output.replace("train.py's", "")


@pytest.mark.slow
@pytest.mark.parametrize("arguments", [["--version"], ["-V"], ["train", "--version"], ["report", "--version"]])
def test_version_is_that_of_polyhead(polyhead_command, arguments):
    code, output, _ = polyhead_command(*arguments)
    assert not code
    assert output.strip() == f"polyhead {polyhead.__version__}"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "no command given"),
        (["trian"], "unknown command 'trian'; did you mean 'train'?"),
        (["--verison"], "unknown command '--verison'"),
        (["train", "--config-dir", "nowhere"], "--config-dir: no folder 'nowhere'"),
        (["train", "--config-dir"], "--config-dir/-cd: expected one argument"),
        (["predict", "--modle", "x"], "unrecognized arguments: --modle"),
        (["train", "freeze=backbon"], "freeze=backbon: no such option; did you mean 'backbone'"),
        (["sweep", "frezee=none"], "frezee"),
        (["predict", "modle=x"], "modle: no such key; did you mean 'model'"),
        (["predict"], "model: missing"),
        (["encode"], "input: missing"),
        (["evaluate"], "model: missing"),
        (["export"], "run: missing"),
        (["label"], "model: missing"),
        (["serve"], "model: missing"),
        (["report"], "required: runs"),
        (["report", "nowhere"], "'nowhere' is no folder"),
        (["soup", "nowhere"], "'nowhere' is no folder"),
        (["reproduce", "nowhere"], "a finished run"),
        (["tune", "trials=0"], "trials: 0 given"),
        (["cache", "clean"], "clean"),
        (["init"], "required: dir"),
    ],
)
def test_bad_input_ends_in_a_line_per_problem_and_exit_code_2(polyhead_command, arguments, said):
    code, _, errors = polyhead_command(*arguments)
    assert code == 2
    assert said in errors
    assert all(line.startswith("error: ") for line in errors.splitlines()), errors


def test_commands_in_texts_are_called_as_the_running_one(monkeypatch):
    text = "python train.py freeze=none; python scripts/report.py runs; python scripts/probe.py"
    monkeypatch.setattr(sys, "argv", [str(ROOT / "scripts" / "report.py")])
    assert (program(), as_called(text)) == ("report.py", text)
    monkeypatch.setattr(sys, "argv", [str(ROOT / "src" / "polyhead" / "commands" / "report.py")])
    assert program() == "polyhead report"
    assert as_called(text) == "polyhead train freeze=none; polyhead report runs; python scripts/probe.py"
    mentioned = "a folder that scripts/export.py wrote, as for train.py; my/train.py, pretrain.py"
    assert (
        as_called(mentioned) == "a folder that polyhead export wrote, as for polyhead train; my/train.py, pretrain.py"
    )

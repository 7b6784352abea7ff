import errno
import gc
import os
import subprocess
import sys

import pytest
import torch
from hydra.core.override_parser.overrides_parser import OverridesParser
from omegaconf import OmegaConf
from support.commands import ROOT, train

from polyhead.app.config.hydra_errors import Configuration, explain
from polyhead.app.terminal import command_line
from polyhead.app.terminal.command_line import MISTAKE, folder_as, run, run_job


def test_explain_takes_the_words_of_the_cause_where_an_error_has_none():
    error = RuntimeError()
    error.__cause__ = ValueError("token recognition error\nat: '~'")
    assert explain(error, Configuration(ROOT / "configs", "train")) == "token recognition error at: '~'"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainer=5", "trainer=5: no such option; Valid: default, quick"),
        ("encoder=null", "encoder=null: no such option; Valid: bert_base,"),
        ("callbacks=[a]", "callbacks=[a]: no such option; Valid: default"),
        ("freeze=", "freeze=: no such option; Valid: all, backbone"),
        ("freeze=[none]", "freeze: a list of options given; name one"),
        ("tasks=[sentiment]", "tasks: a list is given, and it has entries with names; set one by tasks.NAME=VALUE"),
        ("tasks=3", "tasks: 3 given; it must be a list of names, or class names by name"),
        ("tasks.category=5", "tasks.category: 5 given; it must be a list of class names"),
        ("tasks.category=abc", "tasks.category: 'abc' given; it must be a list of class names"),
        ("model=null", "model: None given; it has entries with names"),
        ("monitor=3", "monitor: 3 given; it has entries with names"),
    ],
)
def test_a_value_of_the_wrong_kind_is_one_line(tmp_path, override, message):
    assert message in one_line(train(override, cwd=tmp_path))


def one_line(done):
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith("error: ")
    return line


@pytest.mark.parametrize("override", ["hydra.run.dir=", "hydra.run.dir=''", "++hydra.sweep.dir=null"])
def test_empty_name_of_a_folder_is_refused_before_anything_is_written(monkeypatch, capsys, override):
    monkeypatch.setattr(sys, "argv", ["train.py", override])
    with pytest.raises(SystemExit) as ended:
        run(lambda: pytest.fail("the command was called"), ROOT / "configs", "train")
    assert ended.value.code == MISTAKE
    key = override.lstrip("+").partition("=")[0]
    assert capsys.readouterr().err == f"error: {key}: nothing given; name a folder, as in {key}=runs/NAME\n"


def test_help_imports_nothing_heavy(tmp_path):
    done = train("--help", cwd=tmp_path, PYTHONPROFILEIMPORTTIME="1")
    assert done.returncode == 0
    assert done.stdout.startswith("Trains the shared encoder and a head for each task.")
    imported = {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert "hydra" in imported
    assert not imported & {"torch", "lightning", "transformers", "numpy", "rich"}


@pytest.mark.slow
def test_training_imports_no_library_that_only_tests_need(tmp_path):
    rooms = ("app.training.run", "training.tensorboard", "training.fit", "freezing.frozen_activations")
    modules = ", ".join(["lightning", *(f"polyhead.{room}" for room in rooms)])
    code = f"import sys, {modules}; from transformers import BertModel; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    imported = {name.split(".")[0] for name in done.stdout.split()}
    assert "torch" in imported
    assert not imported & {"sklearn", "pandas", "sentence_transformers", "pyarrow"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["freeze=backbon"], ["freeze=backbon", "did you mean 'backbone'", "lower_layers"]),
        (["epochs=3"], ["epochs: no such key", "here it is trainer.max_epochs"]),
        (["lr=1e-4"], ["lr: no such key", "here it is optimizer.encoder_lr and optimizer.head_lr"]),
        (["batch_size=8"], ["batch_size: no such key", "did you mean 'loader.batch_size'"]),
        (["freez=backbone"], ["freez: no such key", "did you mean 'freeze'"]),
        (["optimizer.encoder_lrr=1"], ["optimizer.encoder_lrr", "'optimizer.encoder_lr'", "optimizer.warmup"]),
        (["data.batch_size=3"], ["data.batch_size", "did you mean 'loader.batch_size'"]),
        (["data=files", "data.shifted.news=a.csv"], ["data.shifted.news", "'data.shifted={news: VALUE}'"]),
        (["-m", "freeze=gradual,none", "freeze.epoch=2"], ["freeze.epoch", "did you mean 'freeze.epochs'"]),
        (["~callbacks.stopping"], ["callbacks.stopping", "callbacks.early_stopping"]),
        (["seed=[1"], ["no viable alternative at input '[1'"]),
        (["data=files", "data.files.train=b[1].csv"], ["quotes inside quotes: 'data.files.train=\"b[1].csv\"'"]),
        (
            ["data=files", "data.columns.tone=a"],
            ["set them by 'data.columns={tone: VALUE}'"],
        ),
        (["loss.gamma.sentiment=2"], ["set them by 'loss.gamma={sentiment: VALUE}'"]),
        (["data=hub", "data.colums=a"], ["data.colums: no such key; did you mean 'data.columns'", "data.splits"]),
        (["data=files", "tasks={a:[x,y]}"], ["tasks: entries with names are given", "write 'tasks=[{a:[x,y]}]'"]),
        (["freeze"], ["freeze", "EQUAL"]),
        (["+freeze=none"], ["freeze appears more than once"]),
        (["-m", "freeze=none,bogus"], ["freeze=bogus", "Valid: all, backbone"]),
    ],
)
def test_a_wrong_override_is_one_line_that_names_its_neighbours(tmp_path, arguments, parts):
    line = one_line(train(*arguments, cwd=tmp_path))
    assert all(part in line for part in parts), line


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="here is a GPU")
def test_accelerator_gpu_without_a_gpu_ends_at_once(tmp_path):
    line = one_line(train("freeze=backbone", "trainer.accelerator=gpu", cwd=tmp_path))
    assert line == "error: trainer.accelerator=gpu: none is present here; use trainer.accelerator=cpu|auto"


@pytest.mark.slow
def test_a_hub_encoder_without_a_hub_is_one_line(tmp_path):
    line = one_line(train("encoder=bert_base", "encoder.location=nobody/nothing", cwd=tmp_path))
    assert "encoder=minilm" in line
    assert "encoder.location=PATH" in line


@pytest.mark.parametrize("name", ["plain", "0_freeze=none,seed=1", "it's", "a b", "[x]", "ends\\\\"])
def test_folder_as_brings_a_folder_s_name_through_hydra_as_it_is(tmp_path, name):
    folder = tmp_path / name
    folder.mkdir()
    (override,) = folder_as("run", [str(folder)])
    parsed = OverridesParser.create().parse_override(override)
    assert (parsed.key_or_group, parsed.value()) == ("run", str(folder))


def test_folder_as_passes_on_a_folder_that_is_missing_for_the_job_to_refuse():
    assert folder_as("run", ["/nowhere", "graph=onnx"]) == ["run='/nowhere'", "graph=onnx"]


@pytest.mark.parametrize("first", ["output=a", "--help", "~graph", "+x=1"])
def test_folder_as_leaves_an_override_alone(first):
    assert folder_as("run", [first, "graph=onnx"]) == [first, "graph=onnx"]


def test_folder_as_makes_nothing_of_no_argument():
    assert folder_as("run", []) == []


def test_a_closed_pipe_ends_a_command_without_a_word():
    talk = "from polyhead.app.terminal.command_line import run; "
    talk += "run(lambda: [print('x' * 80) for _ in range(10**5)], None, '')"
    with subprocess.Popen([sys.executable, "-c", talk], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


def test_help_for_a_reader_that_has_seen_enough_ends_without_a_word():
    talk = "import os, sys; from polyhead.app.terminal.command_line import _show; "
    talk += "sys.stdin.read(); _show('x' * 10**6)"
    command = [sys.executable, "-c", talk]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        process.stdin.close()
        assert process.stderr.read() == b""
    assert process.returncode == 1


@pytest.mark.parametrize(
    ("code", "advice"),
    [(errno.ENOSPC, "make room"), (errno.EACCES, "see that it is there and that you may use it")],
)
def test_a_refusal_of_the_system_ends_in_advice_that_fits(capsys, code, advice):
    def refused():
        raise OSError(code, os.strerror(code), "weights")

    with pytest.raises(SystemExit) as end:
        run(refused, ROOT / "configs", "train")
    assert end.value.code == MISTAKE
    assert capsys.readouterr().err == f"error: weights: {os.strerror(code)}; {advice}, or choose another folder\n"


def test_run_job_collects_no_garbage_while_it_imports_and_all_of_it_afterwards(tmp_path, monkeypatch):
    frozen = []
    monkeypatch.setattr(command_line, "task_overrides", list)
    monkeypatch.setattr(gc, "freeze", lambda: frozen.append("freeze"))
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "a_job.py").write_text(
        "import gc\nduring = gc.isenabled()\ndef run(config): return during, gc.isenabled()\n"
    )
    assert [run_job("a_job", OmegaConf.create({})) for _ in range(2)] == [(False, True)] * 2
    assert frozen == ["freeze"]  # not again: the first job of a sweep may have left garbage
    (tmp_path / "a_broken_job.py").write_text("1 / 0\n")
    with pytest.raises(ZeroDivisionError):
        run_job("a_broken_job", OmegaConf.create({}))
    assert gc.isenabled()
    monkeypatch.delitem(sys.modules, "a_job")

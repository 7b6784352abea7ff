"""Fixtures shared by all tests: tiny models, made-up batches, no network, no wait for the disk.

What is heavy is imported by the fixtures: the process that only starts the workers of xdist needs none of it.
"""

import gc
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from support.commands import SHARED, start_warm

from polyhead.app.terminal.late_imports import delay_unused

if TYPE_CHECKING:
    from polyhead.models.encoder import Encoder
    from polyhead.models.multitask import MultiTaskModel
    from polyhead.models.sentence_modules import SentenceModule
    from polyhead.tasks import Task

os.environ["HF_HUB_OFFLINE"] = "1"  # before anything imports huggingface_hub
os.environ["OMP_NUM_THREADS"] = "1"  # before torch, and for scripts: threads of two processes wait for each other
delay_unused()  # as the commands do: two to three seconds of each worker
os.fsync = lambda file: None  # no test cuts the power, and to wait for the disk takes milliseconds, thousands of times


def pytest_configure(config: pytest.Config) -> None:
    """Have a worker of xdist fork its commands from the process that all workers share."""
    if SHARED in (given := getattr(config, "workerinput", {})):
        os.environ[SHARED] = given[SHARED]


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    """Start the process that the workers of xdist share; it gets ready while they collect tests."""
    if node.config.option.markexpr != "not slow":  # no fast test runs a command
        node.workerinput[SHARED] = shared_warm()


@cache
def shared_warm() -> str:
    path, _ = start_warm()
    return path


def pytest_collection() -> None:
    """Collect no garbage while tests are collected: nothing of them, and of what they import, is garbage."""
    gc.disable()


def pytest_collection_finish() -> None:
    """Leave the tests and their imports out of each later collection of garbage: a walk through them takes a second."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--campaign", action="store_true", help="give tests marked campaign their full number of trials")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what the trials of the campaign counted, from whichever worker they ran on."""
    teardowns = [report for report in terminalreporter.getreports("") if report.when == "teardown"]
    counted = [
        (report.nodeid, dict(report.user_properties)["campaign"]) for report in teardowns if report.user_properties
    ]
    if counted:
        terminalreporter.section("campaign")
    for test, counts in counted:
        terminalreporter.write_line(f"{test}: " + ", ".join(f"{count} {what}" for what, count in counts.items()))


@pytest.fixture
def trials(request: pytest.FixtureRequest) -> Callable[[int, int], int]:
    """Return a number of trials: the first of two in the suite, the second with ``--campaign``."""
    return lambda few, many: many if request.config.getoption("campaign") else few


@pytest.fixture
def tally(record_property: Callable[[str, object], None]) -> Iterator[Counter[str]]:
    """Yield a counter of trials by outcome, ``tally["resumed bit for bit"] += 1``; the end of the session prints it."""
    counts: Counter[str] = Counter()
    yield counts
    record_property("campaign", dict(counts))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    import torch

    torch.manual_seed(0)


@pytest.fixture(scope="session")
def tasks() -> "tuple[Task, ...]":
    from polyhead.tasks import Task

    return (Task("category", ("Quote", "Riddle", "News")), Task("sentiment", ("Positive", "Negative")))


@pytest.fixture(scope="session")
def make_encoder() -> "Callable[..., Encoder]":
    from support.models import FAMILIES
    from transformers import AutoConfig, AutoModel

    from polyhead.models.encoder import Encoder

    def make(
        family: str = "bert", pooling: str = "mean", top: "Sequence[SentenceModule]" = (), skipped: int = 0
    ) -> Encoder:
        transformer = AutoModel.from_config(AutoConfig.for_model(family, **FAMILIES[family]))
        return Encoder(transformer, pooling, top, skipped).eval()

    return make


@pytest.fixture
def model(make_encoder: "Callable[..., Encoder]", tasks: "tuple[Task, ...]") -> "MultiTaskModel":
    from polyhead.models.multitask import MultiTaskModel

    return MultiTaskModel(make_encoder(), tasks, dropout=0.1)


@pytest.fixture
def graphs(model: "MultiTaskModel", tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of the graphs of ``model``, whose weights are the same in each test; exports take seconds."""
    from support.bundles import shared_graphs

    own = tmp_path_factory.getbasetemp()
    return shared_graphs(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own, model)

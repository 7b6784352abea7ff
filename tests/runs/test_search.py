"""Searches that several processes share, by each of the storages."""

import json
import math
import os
import shutil
import subprocess
import time
from pathlib import Path

import pytest
import torch
from support.commands import ROOT, start
from support.studies import distance, make_tuning

from polyhead.errors import UserError
from polyhead.objectives.losses import check_finite
from polyhead.runs.search import search
from polyhead.runs.study_file import StudyFile
from polyhead.runs.study_journal import StudyJournal
from polyhead.runs.study_places import find_storage
from polyhead.runs.study_storage import quietly
from polyhead.runs.trial_owner import is_gone, this_process
from polyhead.runs.trial_queue import TrialQueue
from polyhead.runs.tuning import open_study
from polyhead.tasks import Task

SEARCHER = ROOT / "tests" / "support" / "study_run.py"
POSTGRES = Path("/usr/lib/postgresql")  # of Debian, a folder for each version


def start_searcher(folder, *arguments, log):
    paths = os.pathsep.join([str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])])
    return start(SEARCHER, str(folder), *arguments, cwd=ROOT, log=log, PYTHONPATH=paths)


def table(log):
    return json.loads(log.read_text().splitlines()[-1])


def check_shared(folder, storage):
    """Check that two processes that start at once share six trials, and end with the same table of them."""
    logs = [folder / "first", folder / "second"]
    processes = [start_searcher(folder, storage, log=log) for log in logs]
    for process, log in zip(processes, logs, strict=True):
        assert process.wait() == 0, log.read_text()
    first, second = map(table, logs)
    assert first == second
    assert [number for number, *_ in first] == list(range(6))
    assert {state for _, state, *_ in first} == {"COMPLETE"}
    proposals = [json.dumps(params) for _, _, params, _ in first]
    assert len(set(proposals)) == 6
    assert min(log.read_text().count(": complete") for log in logs) >= 1  # both took part


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["", "journal:study.log"])
def test_search_is_shared_by_processes_that_start_at_once(tmp_path, storage):
    check_shared(tmp_path, storage.replace("study.log", str(tmp_path / "study.log")))


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["journal", "file"])
def test_search_tries_the_values_of_a_killed_process_again_and_counts_them_once(tmp_path, storage):
    given = [f"journal:{tmp_path / 'study.log'}"] if storage == "journal" else []
    place = find_storage(*(given or [None]), tmp_path)
    arguments = [*given, "2"] if given else ["", "2"]
    first = start_searcher(tmp_path, *arguments, log=tmp_path / "log")
    wait_until((tmp_path / "trial-2").exists)
    first.kill()
    first.wait()
    study = open_study(place, make_tuning(), "max", None, {})
    search(study, place, lambda trial: distance(trial, make_tuning()), 6)
    trials = study.get_trials()
    assert [trial.state.name for trial in trials].count("COMPLETE") == 6
    assert trials[2].state.name == "FAIL"
    assert [trial.number for trial in trials[3:] if trial.params == trials[2].params] == [3]
    assert len(trials) == 7
    search(study, place, lambda trial: pytest.fail("the study has its trials"), 6)


def wait_until(holds):
    give_up = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < give_up
        time.sleep(0.05)


@pytest.mark.slow
def test_journal_fails_a_trial_of_another_host_that_gives_no_sign_of_life(tmp_path):
    place = StudyJournal(tmp_path / "study.log", "tuning", heartbeat=1)
    study = open_study(place, make_tuning(), "max", None, {})
    with quietly():
        silent = study.ask()  # as on a host that went down: nobody here knows its process
    search(study, place, lambda trial: distance(trial, make_tuning()), 3)
    trials = study.get_trials()
    assert trials[silent.number].state.name == "FAIL"
    assert [trial.state.name for trial in trials].count("COMPLETE") == 3


@pytest.mark.slow
def test_journal_keeps_a_trial_that_gives_signs_of_life(tmp_path):
    place = StudyJournal(tmp_path / "study.log", "tuning", heartbeat=1)
    study = open_study(place, make_tuning(), "max", None, {})
    with quietly():
        living = study.ask()
    for _ in range(5):
        study._storage.record_heartbeat(living._trial_id)
        TrialQueue(study, place, 9)._fail_orphans()
        time.sleep(0.7)
    assert study.get_trials()[living.number].state.name == "RUNNING"


def test_journal_whose_host_went_down_while_it_wrote_continues(tmp_path):
    place = StudyJournal(tmp_path / "study.log", "tuning")
    search(open_study(place, make_tuning(), "max", None, {}), place, lambda trial: distance(trial, make_tuning()), 2)
    with place.file.open("ab") as journal:
        journal.write(b'{"op_code":4,"worker')
    study = open_study(place, make_tuning(), "max", None, {})
    search(study, place, lambda trial: distance(trial, make_tuning()), 3)
    assert [trial.state.name for trial in study.get_trials()] == ["COMPLETE"] * 3


def test_search_that_is_interrupted_leaves_its_values_to_the_next_process(tmp_path):
    place = StudyJournal(tmp_path / "study.log", "tuning")
    study, proposed = open_study(place, make_tuning(), "max", None, {}), []

    def interrupted(trial):
        proposed.append(make_tuning().suggest(trial))
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        search(study, place, interrupted, 1)
    search(study, place, lambda trial: distance(trial, make_tuning()), 1)
    assert [trial.state.name for trial in study.get_trials()] == ["FAIL", "COMPLETE"]
    assert study.get_trials()[1].params == proposed[0]


def test_search_continues_after_a_trial_that_diverges(tmp_path, capsys):
    place = StudyJournal(tmp_path / "study.log", "tuning")
    study = open_study(place, make_tuning(), "max", None, {})

    def objective(trial):
        found = distance(trial, make_tuning())
        if trial.number == 0:
            check_finite(torch.tensor([math.nan]), [Task("tone", ("good", "bad"))], 7, None)
        return found

    search(study, place, objective, 2)
    assert [trial.state.name for trial in study.get_trials()] == ["FAIL", "COMPLETE"]
    assert "(training: the loss of 'tone' is nan at step 7" in capsys.readouterr().out


def test_search_gives_up_values_that_end_their_process_each_time(tmp_path):
    place = StudyJournal(tmp_path / "study.log", "tuning")
    study = open_study(place, make_tuning(), "max", None, {})
    queue = TrialQueue(study, place, 1)
    begun = 0
    while (trial := queue.next()) is not None:
        begun += 1
        queue.give_back(trial)
    assert begun == 3  # once, and twice again
    assert {trial.state.name for trial in study.get_trials()} == {"FAIL"}


def test_owner_is_gone_only_if_it_was_a_process_of_this_machine(tmp_path):
    ended = subprocess.Popen(["sleep", "60"])
    name = this_process().split()
    theirs = Path(f"/proc/{ended.pid}/stat").read_text().rpartition(")")[2].split()[19]
    owner = " ".join([*name[:2], str(ended.pid), theirs])
    assert not is_gone(owner)
    ended.kill()
    ended.wait()
    assert is_gone(owner)
    assert not is_gone(f"another-boot {name[1]} {ended.pid} {theirs}")
    assert not is_gone(this_process())
    assert is_gone(" ".join([*name[:3], "1"]))  # the number is in use again
    assert not is_gone("")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("mysql://host/db", "storage: 'mysql://host/db' given; it must be journal:PATH"),
        ("journal:", "storage: 'journal:' given"),
        ("study.db", "storage: 'study.db' given"),
    ],
)
def test_storage_that_is_none_is_refused(tmp_path, given, message):
    with pytest.raises(UserError, match=message):
        find_storage(given, tmp_path)


def test_study_in_a_file_of_its_own_has_no_name(tmp_path):
    with pytest.raises(UserError, match="study: 'a' given; a name is for a storage that holds several"):
        find_storage(None, tmp_path, "a")
    assert isinstance(find_storage(None, tmp_path), StudyFile)


def test_journal_that_cannot_be_written_is_told_in_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    place = find_storage(f"journal:{tmp_path / 'file' / 'study.log'}", tmp_path)
    with pytest.raises(UserError, match="^storage: .* cannot be written"):
        open_study(place, make_tuning(), "max", None, {})


def test_server_that_cannot_be_reached_is_told_in_one_line_without_its_password(tmp_path):
    pytest.importorskip("psycopg", reason='needs the extra: pip install "polyhead[postgresql]"')
    place = find_storage("postgresql://someone:secret@127.0.0.1:1/studies", tmp_path)
    with pytest.raises(
        UserError, match="^storage: 'postgresql://someone@127.0.0.1:1/studies' cannot be used"
    ) as caught:
        open_study(place, make_tuning(), "max", None, {})
    assert "secret" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


@pytest.fixture
def postgres(tmp_path):
    """Start a PostgreSQL server of its own on a socket in the folder; return the address of its database."""
    pytest.importorskip("psycopg", reason='needs the extra: pip install "polyhead[postgresql]"')
    versions = sorted(POSTGRES.glob("*/bin/postgres"))
    if not versions:
        pytest.skip(f"no PostgreSQL in {POSTGRES}: apt-get install postgresql")
    folder = versions[-1].parent
    user = "nobody" if os.getuid() == 0 else None  # the server refuses to run as root
    with subprocess.Popen(["mktemp", "-d", "/tmp/studies-XXXXXX"], stdout=subprocess.PIPE, text=True) as made:
        data = Path(made.stdout.read().strip())
    if user:
        shutil.chown(data, user)
    own = {"user": user, "cwd": "/", "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([folder / "initdb", "-D", data / "db", "-A", "trust", "-U", "polyhead"], check=True, **own)
    port = free_port()
    options = ["-c", "listen_addresses=127.0.0.1", "-c", f"unix_socket_directories={data}", "-c", "fsync=off"]
    server = subprocess.Popen([folder / "postgres", "-D", data / "db", "-p", str(port), *options], **own)
    try:
        ready = [folder / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
        wait_until(lambda: subprocess.run(ready, check=False).returncode == 0)
        yield f"postgresql://polyhead@127.0.0.1:{port}/postgres"
    finally:
        server.terminate()
        server.wait(timeout=60)
        shutil.rmtree(data)


def free_port():
    import socket

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


@pytest.mark.slow
def test_search_of_a_postgresql_server_is_shared_and_survives_a_killed_process(tmp_path, postgres):
    check_shared(tmp_path, postgres)
    place = find_storage(postgres, tmp_path, "another")
    study = open_study(place, make_tuning(), "max", None, {})
    search(study, place, lambda trial: distance(trial, make_tuning()), 2)
    assert len(study.get_trials()) == 2
    with pytest.raises(UserError, match="holds a study of something else"):
        open_study(place, make_tuning(), "max", None, {"data": "other"})

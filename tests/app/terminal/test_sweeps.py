"""Sweeps of ``python train.py``: which runs are repeated, what is told meanwhile, and other launchers."""

import json
import os

import pytest
import yaml
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf
from support.commands import NO_PICTURES, ROOT, TINY, TINY_ENCODER, start, train

from polyhead.app.terminal.run_names import split_jobs
from polyhead.app.terminal.sweeps import SweepStatus, _rename_params, _Watch, finished_twin
from polyhead.runs.folder import RunFolder

GRID = [*TINY, "trainer.max_epochs=1", "freeze=none,backbone", "logger=none", "hydra.sweep.dir=sweep"]
RAY = ["+hydra.launcher.ray.init.num_cpus=2", "+hydra.launcher.ray.remote.num_cpus=1"]
SHARES = [  # launchers, and by which each runs two jobs at once, a core each
    ("joblib", ["hydra.launcher.n_jobs=2"]),
    ("submitit_local", ["hydra.launcher.cpus_per_task=1"]),
    pytest.param("ray", RAY, marks=pytest.mark.campaign),
]


def unchanged(_):
    return []


def runs(folder):
    return sorted(path for path in (folder / "sweep").iterdir() if (path / "metrics.json").exists())


@pytest.mark.slow
def test_a_sweep_that_is_continued_repeats_nothing_and_finishes_the_rest(tmp_path):
    first = train("-m", *GRID, cwd=tmp_path)
    assert first.returncode == 0, first.stderr
    assert "sweep: 2 of 2 done, 0 running, 0 failed" in first.stdout
    assert "compare them: python scripts/report.py sweep" in first.stdout
    kept, broken = runs(tmp_path)
    (broken / "metrics.json").unlink()  # as if it had been killed
    before = (kept / "metrics.json").read_bytes()
    again = train("-m", *GRID, "seed=0,1", cwd=tmp_path)
    assert again.returncode == 0, again.stderr
    assert again.stdout.count("done already") == 1
    assert "sweep: 4 of 4 done" in again.stdout
    assert (kept / "metrics.json").read_bytes() == before
    seeds = [yaml.safe_load((run / "config.yaml").read_text())["seed"] for run in runs(tmp_path)]
    assert sorted(seeds) == [0, 0, 1, 1]


@pytest.mark.slow
@pytest.mark.parametrize(("launcher", "share"), SHARES)
def test_launchers_run_jobs_side_by_side_on_their_share_of_the_cores(tmp_path, launcher, share):
    if launcher == "ray":
        pytest.importorskip("hydra_plugins.hydra_ray_launcher", reason="pip install polyhead[campaign]")
    environment = {"OMP_NUM_THREADS": ""} if (os.cpu_count() or 1) < 4 else {}  # what the jobs' processes begin with
    arguments = ["-m", *GRID, f"hydra/launcher={launcher}", *share]
    code = start(ROOT / "train.py", *arguments, cwd=tmp_path, log=tmp_path / "log", **environment).wait()
    printed = (tmp_path / "log").read_text()
    assert code == 0, printed
    assert "sweep: 2 of 2 done, 0 running, 0 failed" in printed
    assert "Epoch" not in printed
    assert len(runs(tmp_path)) == 2
    for run in runs(tmp_path):
        provenance = json.loads((run / "provenance.json").read_text())
        assert provenance["hardware"]["threads"] == 1
        assert "accelerator=cpu" in provenance["overrides"]


def claimed(folder, **config):
    run = RunFolder(folder)
    text = yaml.safe_dump(config | {"run_dir": str(folder), "log": f"{folder}/log"})
    run.claim(text)
    return run, text


def test_finished_twin_finds_a_run_in_another_folder_of_the_sweep(tmp_path):
    done, _ = claimed(tmp_path / "0_a", seed=0)
    done.write_json("metrics.json", {})
    text = yaml.safe_dump({"seed": 0, "run_dir": str(tmp_path / "7_b"), "log": f"{tmp_path / '7_b'}/log"})
    assert finished_twin(RunFolder(tmp_path / "7_b"), text, unchanged) == done
    assert finished_twin(RunFolder(tmp_path / "7_b"), text.replace("seed: 0", "seed: 1"), unchanged) is None


def test_finished_twin_clears_the_same_run_that_was_broken_off_and_no_other(tmp_path):
    run, text = claimed(tmp_path / "0_a", seed=0)
    (run.folder / "checkpoints").mkdir()
    (run.folder / "train.log").write_text("old")
    assert finished_twin(run, text.replace("seed: 0", "seed: 1"), unchanged) is None
    assert (run.folder / "config.yaml").exists()
    assert finished_twin(run, text, unchanged) is None
    assert os.listdir(run.folder) == ["train.log"]
    assert (run.folder / "train.log").read_text() == ""


def test_finished_twin_empties_the_log_of_a_refused_run(tmp_path):
    (tmp_path / "0_a").mkdir()
    (tmp_path / "0_a" / "train.log").write_text("[now][x][ERROR] this run failed: no such file\n")
    finished_twin(RunFolder(tmp_path / "0_a"), "seed: 0\n", unchanged)
    assert (tmp_path / "0_a" / "train.log").read_text() == ""


def test_watch_counts_runs_by_status(tmp_path):
    watch = _Watch(tmp_path, jobs=4)
    watch.started -= 1
    claimed(tmp_path / "0", seed=0)[0].write_json("metrics.json", {})
    (claimed(tmp_path / "1", seed=1)[0].folder / "train.log").write_text("")
    (tmp_path / "2").mkdir()
    (tmp_path / "2" / "train.log").write_text("[now][x][ERROR] this run failed: no\n")
    (tmp_path / "3").mkdir()  # done elsewhere: nothing but a log
    (tmp_path / "3" / "train.log").write_text("[now][x][INFO] done already\n")
    assert watch.count() == {"done": 1, "unfinished": 1, "failed": 1}


def test_watch_does_not_count_runs_that_an_earlier_sweep_left_unfinished(tmp_path):
    log = claimed(tmp_path / "1", seed=1)[0].folder / "train.log"
    log.write_text("")
    os.utime(log, (0, 0))
    assert _Watch(tmp_path, jobs=1).count() == {}


def test_sweep_files_may_have_old_names(capsys):
    config = OmegaConf.create({"hydra": {"sweeper": {"params": {"features": "disk,off", "freeze": "none,thawing"}}}})
    _rename_params(config)
    assert config.hydra.sweeper.params == {"activation_cache": "disk,off", "freeze": "none,schedule"}
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_finished_twin_finds_a_run_of_an_earlier_version_with_its_cache_elsewhere(tmp_path):
    old = {"features": {"_target_": "polyhead.features.FeatureStore", "folder": "a"}, "loader": {"window": 50}}
    done, _ = claimed(tmp_path / "0_a", **old)
    done.write_json("metrics.json", {})
    new = {"activation_cache": {"_target_": "polyhead.freezing.ActivationCache", "folder": "b"}}
    new |= {"loader": {"bucket_batches": 50}, "run_dir": str(tmp_path / "1_b"), "log": f"{tmp_path / '1_b'}/log"}
    assert finished_twin(RunFolder(tmp_path / "1_b"), yaml.safe_dump(new), unchanged) == done
    assert (
        finished_twin(RunFolder(tmp_path / "1_b"), yaml.safe_dump(new | {"loader": {"bucket_batches": 5}}), unchanged)
        is None
    )


def test_split_jobs_reads_the_file_and_the_command_line():
    config = OmegaConf.create(
        {
            "hydra": {
                "sweeper": {"params": {"freeze": "none,backbone", "seed": "0,1,2"}},
                "overrides": {"task": ["sweep=freezing", "seed=0,1", "tasks.a=[b,c]"]},
            }
        }
    )
    assert len(split_jobs(config)) == 4


def test_sweep_status_travels_to_other_processes_without_its_thread():
    make, arguments = SweepStatus().__reduce__()
    assert isinstance(make(*arguments), SweepStatus)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.stem for path in (ROOT / "configs" / "sweep").glob("*.yaml")))
def test_sweeps_that_ship_name_choices_that_exist(name):
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("train", overrides=[f"sweep={name}"], return_hydra_config=True)
        assert config.hydra.mode.name == "MULTIRUN"
        for key, values in config.hydra.sweeper.params.items():
            for value in values.split(","):
                compose("train", overrides=[f"{key}={value}"])


def test_finished_twin_keeps_a_run_of_other_data_aside_and_finds_it_again(tmp_path):
    run, text = claimed(tmp_path / "0_a", seed=0)
    run.write_json("metrics.json", {})
    (run.folder / "train.log").write_text("old")
    assert finished_twin(run, text, lambda _: ["train"]) is None
    aside = tmp_path / "0_a.before-1"
    assert {path.name for path in aside.iterdir()} >= {"config.yaml", "metrics.json", "train.log"}
    assert (aside / "train.log").read_text() == "old"
    assert os.listdir(run.folder) == ["train.log"]
    assert (run.folder / "train.log").read_text() == ""
    run.claim(text)
    run.write_json("metrics.json", {})
    found = finished_twin(run, text, lambda other: ["train"] if other == run else [])
    assert found == RunFolder(aside)
    assert run.done


def test_finished_twin_frees_the_folder_of_a_run_whose_sentences_had_other_classes(tmp_path):
    run, _ = claimed(tmp_path / "0_a", seed=0, tasks={"mood": ["bad", "good"]})
    run.write_json("metrics.json", {})
    _, text = claimed(tmp_path / "1_b", seed=0, tasks={"mood": ["fine", "good"]})
    (tmp_path / "1_b" / "config.yaml").unlink()
    assert finished_twin(run, text, lambda _: pytest.fail("another run")) is None
    assert (tmp_path / "0_a.before-1" / "metrics.json").is_file()
    run.claim(text)  # its folder is free


@pytest.mark.slow
def test_a_sweep_whose_file_changed_runs_again_and_keeps_the_old_runs(tmp_path):
    rows = [f"sentence number {number},{'good' if number % 2 else 'bad'}" for number in range(60)]
    given = [
        *TINY_ENCODER,
        *NO_PICTURES,
        "accelerator=cpu",
        "logger=none",
        "freeze=backbone",  # heads are solved, in no epoch
        "hydra.sweep.dir=sweep",
    ]
    given += ["data=files", "data.files.train=d.csv", "tasks=[mood]", "seed=0,1", "data.cache=tables"]
    printed = []
    for count in (60, 40, 60):
        (tmp_path / "d.csv").write_text("\n".join(["text,mood", *rows[:count]]) + "\n")
        done = train("-m", *given, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        printed.append(done.stdout)
    assert "done" not in printed[0].replace("2 of 2 done", "").replace("0 of 2 done", "").replace("1 of 2 done", "")
    assert printed[1].count("done with other train, validation, test sentences, so it runs again") == 2
    assert "done already" not in printed[1]
    assert printed[2].count("done already") == 2
    assert len(runs(tmp_path)) == 4

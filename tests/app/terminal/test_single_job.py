import sys

import hydra
import pytest
from hydra._internal.hydra import Hydra
from hydra.core.hydra_config import HydraConfig
from hydra.errors import HydraException
from omegaconf import OmegaConf

from polyhead.app.terminal.single_job import start_job

NAME = "test_single_job"  # as Hydra calls a command of this file
QUIET = ["hydra/job_logging=none", "hydra/hydra_logging=none"]


@pytest.fixture
def configs(tmp_path):
    folder = tmp_path / "configs"
    (folder / "plan").mkdir(parents=True)
    (folder / f"{NAME}.yaml").write_text("seed: 0\ndefaults: [_self_, plan: one]\n")
    (folder / "plan" / "one.yaml").write_text("epochs: 1\n")
    grid = "# @package _global_\nhydra: {mode: MULTIRUN, sweeper: {params: {seed: '3,4'}}}\n"
    (folder / "plan" / "grid.yaml").write_text(grid)
    return folder


@pytest.fixture
def work(configs, monkeypatch, tmp_path):
    """A command, decorated by hydra.main, that notes its configuration and what Hydra knows; and its starts."""
    jobs, composed, compose = [], [], Hydra.compose_config

    @hydra.main(version_base="1.3", config_path=str(configs), config_name=NAME)
    def main(config):
        jobs.append((OmegaConf.to_container(config), OmegaConf.to_container(HydraConfig.instance().cfg)["hydra"]))
        return config.seed

    def count(self, *arguments, **named):
        composed.append(named.get("run_mode"))
        return compose(self, *arguments, **named)

    def start(*arguments, own=True):
        jobs.clear()
        composed.clear()
        given = [*arguments, *QUIET, f"hydra.run.dir={tmp_path}/run", f"hydra.sweep.dir={tmp_path}/sweep"]
        monkeypatch.setattr(sys, "argv", ["work.py", *given])
        result = start_job(main, configs, NAME, given) if own else main()
        return result, [*jobs], len(composed)

    monkeypatch.setenv("HYDRA_FULL_ERROR", "1")
    monkeypatch.setattr(Hydra, "compose_config", count)
    start.jobs = jobs
    return start


def test_single_job_knows_what_hydra_s_own_start_makes_known_and_composes_once(work, configs):
    result, [(config, known)], composed = work("seed=7", "plan.epochs=2")
    assert (result, composed, config) == (7, 1, {"seed": 7, "plan": {"epochs": 2}})
    _, [(expected, of_hydra)], composed = work("seed=7", "plan.epochs=2", own=False)
    assert (composed, expected) == (2, config)
    assert of_hydra["overrides"]["hydra"].pop() == "hydra.mode=RUN"  # it notes there what it has found out
    assert known == of_hydra


@pytest.mark.parametrize("arguments", [["-m", "seed=3,4"], ["hydra.mode=MULTIRUN", "seed=3,4"], ["plan=grid"]])
def test_single_job_leaves_sweeps_to_hydra(work, arguments):
    _, jobs, _ = work(*arguments)
    assert [config["seed"] for config, _ in jobs] == [3, 4]
    assert all(known["mode"].name == "MULTIRUN" for _, known in jobs)


@pytest.mark.parametrize("wrong", ["seed=3,4", "sed=3", "plan=two", "seed=[", "--nix"])
def test_single_job_is_not_started_on_what_is_wrong(work, wrong, capsys):
    with pytest.raises((HydraException, SystemExit)):
        work(wrong)
    assert work.jobs == []


def test_single_job_raises_what_its_command_raises(configs, monkeypatch, tmp_path):
    @hydra.main(version_base="1.3", config_path=str(configs), config_name=NAME)
    def main(config):
        raise ValueError("of the command")

    with pytest.raises(ValueError, match="of the command"):
        start_job(main, configs, NAME, [*QUIET, f"hydra.run.dir={tmp_path}/run"])

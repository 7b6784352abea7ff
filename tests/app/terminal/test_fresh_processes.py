"""Training in processes that have imported nothing: what works only where another has imported something fails here.

Other tests fork from a process that has the imports of all commands already.
"""

import json

import pytest
import torch
from support.commands import NO_HEALTH, TINY_ENCODER, sizes, train
from support.configs import CONFIGS

SMALL = [*sizes(64, 32), "trainer.max_epochs=1", *TINY_ENCODER]
GROUPS = [
    *("accelerator", "activation_cache", "freeze", "heads", "health", "keep_embedding"),
    *("logger", "loss", "optimizer", "trainer", "weighting"),
]
OPTIONS = sorted(f"{group}={path.stem}" for group in GROUPS for path in (CONFIGS / group).glob("*.yaml"))
ON_GPU = {"accelerator=gpu", "accelerator=ddp", "accelerator=fsdp"}
NEEDS = {
    "freeze=lower_layers": ["freeze.count=1"],  # of the two that there are
    "logger=wandb": ["logger.wandb.offline=true"],
}
KEPT = ["freeze=lora", "logger=wandb", "logger=mlflow"]
"""Options that failed so, or stand on libraries that import others late; the campaign runs all of them."""


def pytest_generate_tests(metafunc):
    metafunc.parametrize("option", OPTIONS if metafunc.config.getoption("campaign") else KEPT)


@pytest.mark.slow
@pytest.mark.campaign
def test_option_trains_where_nothing_is_imported(tmp_path, option):
    if option in ON_GPU and not torch.cuda.is_available():
        pytest.skip("no GPU here")
    given = [option, *NEEDS.get(option, [])]
    if not option.startswith("accelerator="):
        given.append("accelerator=cpu")
    if not option.startswith("health="):
        given += NO_HEALTH
    done = train(*SMALL, *given, f"run_dir={tmp_path}/run", cwd=tmp_path, OMP_NUM_THREADS="1")
    assert done.returncode == 0, done.stderr
    measured = json.loads((tmp_path / "run" / "metrics.json").read_text())["test"]
    assert 0 <= measured["sentiment"]["accuracy"] <= 1

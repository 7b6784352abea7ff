import os

import pytest
import torch
from support.commands import ROOT, start
from support.distributed_stages import OTHER_FAMILIES
from support.plans import PLANS


def train_all(processes, folder, *more):
    """Train every plan in one launch and return the weights of each."""
    folder.mkdir()
    script, log = ROOT / "tests" / "support" / "distributed_stages.py", folder / "log"
    paths = os.pathsep.join([str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])])
    code = start(script, str(processes), str(folder), *more, cwd=ROOT, log=log, PYTHONPATH=paths).wait()
    assert code == 0, log.read_text()[-2000:]
    return {plan: torch.load(folder / f"{plan}.pt", weights_only=True) for plan in (*PLANS, *OTHER_FAMILIES, "pairs")}


@pytest.fixture(scope="module")
def one(tmp_path_factory):
    return train_all(1, tmp_path_factory.mktemp("plans") / "one")


@pytest.mark.slow
@pytest.mark.parametrize("how", ["copies", "spread"])
def test_two_processes_with_half_the_batch_reach_the_weights_of_one_in_every_plan(tmp_path, one, how):
    two = train_all(2, tmp_path / "two", how)
    for plan in one:
        for name, value in one[plan].items():
            torch.testing.assert_close(
                two[plan][name], value, atol=1e-5, rtol=1e-4, msg=lambda m, n=name, p=plan: f"{p}, {n}: {m}"
            )

import os
import subprocess
import sys

import pytest
import torch
from support.commands import ROOT
from support.plans import PLANS


def train_all(processes, folder):
    """Train every plan in one launch and return the weights of each."""
    folder.mkdir()
    paths = [str(ROOT / "tests"), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, "tests/support/distributed_stages.py", str(processes), str(folder)],
        cwd=ROOT,
        env=os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {plan: torch.load(folder / f"{plan}.pt", weights_only=True) for plan in PLANS}


@pytest.mark.slow
def test_two_processes_with_half_the_batch_reach_the_weights_of_one_in_every_plan(tmp_path):
    one, two = train_all(1, tmp_path / "one"), train_all(2, tmp_path / "two")
    for plan in PLANS:
        for name, value in one[plan].items():
            torch.testing.assert_close(
                two[plan][name], value, atol=1e-5, rtol=1e-4, msg=lambda m, n=name, p=plan: f"{p}, {n}: {m}"
            )

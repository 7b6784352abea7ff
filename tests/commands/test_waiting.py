"""How threads wait for each other in a command: told before torch is there, unless the user says otherwise."""

import os
import subprocess
import sys

import pytest

CODE = """
import os, sys
import polyhead.commands
print("torch" in sys.modules, os.environ.get("GOMP_SPINCOUNT"), os.environ.get("OMP_WAIT_POLICY"))
"""


@pytest.mark.parametrize(
    ("given", "found"),
    [
        ({}, "False 5000 None"),
        ({"GOMP_SPINCOUNT": "infinity"}, "False infinity None"),
        ({"OMP_WAIT_POLICY": "ACTIVE"}, "False None ACTIVE"),
    ],
)
def test_threads_of_a_command_spin_shortly_unless_the_user_says_otherwise(given, found):
    environment = {
        name: value for name, value in os.environ.items() if name not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")
    }
    done = subprocess.run(
        [sys.executable, "-c", CODE], env=environment | given, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == found.split()

"""Whether the server does what its description says, as Schemathesis finds out from requests of its own making."""

import subprocess
import sys

import pytest
from support.servers import LIMITS, FakePredictor, running

TOKEN = "correct-horse"


@pytest.mark.campaign
@pytest.mark.slow
@pytest.mark.parametrize("token", [None, TOKEN])
def test_openapi_holds_for_generated_requests(tmp_path, trials, tally, token):
    pytest.importorskip("schemathesis", reason="pip install polyhead[campaign]")
    arguments = ["--max-examples", str(trials(5, 1000)), "--header", f"Authorization: Bearer {TOKEN}", "--no-color"]
    with running(FakePredictor(tmp_path), LIMITS, token=token) as server:
        host, port = server.address
        done = subprocess.run(
            [sys.executable, "-m", "schemathesis.cli", "run", f"http://{host}:{port}/openapi.json", *arguments],
            capture_output=True,
            text=True,
            cwd=tmp_path,
        )
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if " generated, " in line]
    tally["requests as described"] += int(line.split(" generated")[0].split()[-1].replace(",", ""))

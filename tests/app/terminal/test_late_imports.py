import subprocess
import sys

import pytest
from support.commands import ROOT

USES = {
    "an attribute": "import scipy.signal; print(scipy.signal.lfilter.__module__)",
    "a name": "from scipy.signal import lfilter; print(lfilter.__module__)",
    "a module inside": "import scipy.signal.windows; print(scipy.signal.lfilter.__module__)",
    "all names": "from scipy.signal import *; print(lfilter.__module__)",
    "the package's own import": "import scipy; print(scipy.signal.lfilter.__module__)",
    "a spec": "from importlib.util import find_spec; find_spec('scipy.signal'); from scipy.signal import lfilter; "
    "print(lfilter.__module__)",
}


def python(code):
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_scipy_signal_is_not_imported_with_what_a_training_run_needs():
    found = python(
        "import sys, polyhead.commands, polyhead.app.training.train, torchmetrics; "
        "print([name for name in sys.modules if name.startswith('scipy.signal.')])"
    )
    assert found == "[]\n"


@pytest.mark.slow
@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_scipy_signal_is_itself_for_those_who_use_it(use):
    assert python(f"import polyhead.commands; {use}") == python(use)


def test_scipy_signal_stays_where_it_was_imported_before():
    code = "import scipy.signal as before, sys, polyhead.commands; print(sys.modules['scipy.signal'] is before)"
    assert python(code) == "True\n"

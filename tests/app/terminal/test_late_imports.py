"""Late imports: what a command does not use is not imported, and what is used is itself."""

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


@pytest.fixture(scope="module")
def printed():
    """Return what each use prints where nothing is delayed."""
    return dict(zip(USES, python("\n".join(USES.values())).splitlines(), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("use", USES)
def test_scipy_signal_is_itself_for_those_who_use_it(printed, use):
    assert python(f"import polyhead.commands; {USES[use]}") == f"{printed[use]}\n"


@pytest.mark.slow
def test_scipy_signal_stays_where_it_was_imported_before():
    code = "import scipy.signal as before, sys, polyhead.commands; print(sys.modules['scipy.signal'] is before)"
    assert python(code) == "True\n"


COMPILES = """
import torch
class Halves(torch.nn.Module):
    def forward(self, x):
        return x / 2
print(torch.compile(Halves(), backend="eager")(torch.ones(2)).tolist(), torch._dynamo.is_compiling())
"""
MASKS = """
import torch
from torch._dynamo._trace_wrapped_higher_order_op import TransformGetItemToIndex
rows = torch.arange(6).reshape(3, 2)
with TransformGetItemToIndex():
    print(torch.vmap(lambda index: rows[index])(torch.arange(3)).tolist())
"""
MODELS = """
import transformers
import transformers.models
print(len(dir(transformers)), len(dir(transformers.models)))
print(sorted(transformers.models._class_to_module.items())[::997])
import torch
from transformers import AutoConfig, AutoModel
for family in ("albert", "bert", "deberta-v2", "distilbert", "electra", "mpnet", "modernbert", "nomic_bert", "roberta"):
    with torch.device("meta"):
        model = AutoModel.from_config(AutoConfig.for_model(family))
    print(family, {name: (tensor.shape, tensor.dtype, tensor.device) for name, tensor in model.state_dict().items()})
"""
SHAPES = """
import torch
from torch._meta_registrations import meta_index_Tensor
print(meta_index_Tensor.__module__, meta_index_Tensor(torch.empty(3, 2, device="meta"), [torch.tensor([0, 2])]).shape)
"""
PARTS = """
import torch
from polyhead.app.terminal.late_imports import complete_torch
complete_torch()
print(torch.rand(2, generator=torch.Generator().manual_seed(0)).tolist())
import torch._dynamo.config
from torch._dynamo import config, utils
print(torch._dynamo.config is config, torch._dynamo.utils is utils, torch._dynamo.config.__spec__.name)
print(torch.randperm(3, generator=torch.Generator().manual_seed(1)).tolist())
"""
PLOTS = """
import torch, torchmetrics
metric = torchmetrics.classification.BinaryAccuracy()
metric.update(torch.tensor([0.2, 0.8]), torch.tensor([0, 1]))
figure, axes = metric.plot()
print(type(figure).__name__, type(axes).__name__)
"""
SPREAD = "import torch; from torch.distributed.tensor import DTensor; print(DTensor.__module__)"


UNNEEDED = {
    "compiler": COMPILES,
    "masks": MASKS,
    "models": MODELS,
    "spread": SPREAD,
    "shapes": SHAPES,
    "parts": PARTS,
    "plots": PLOTS,
}


DELAYED = """
import os
import sys
import polyhead.commands
from polyhead.app.terminal.late_imports import delay_training
delay_training()
import torch
for code in {codes!r}:
    child = os.fork()
    if child == 0:
        exec(code, {{}})
        sys.stdout.flush()
        os._exit(0)
    print("---", flush=True) if os.waitpid(child, 0)[1] == 0 else sys.exit(code)
"""


@pytest.fixture(scope="module")
def printed_by_uses():
    """Return what each use prints where nothing is delayed, and in a process of its own where it is."""
    codes = list(UNNEEDED.values())
    undelayed = python("\nprint('---')\n".join(codes)).split("---\n")
    delayed = python(DELAYED.format(codes=codes)).split("---\n")[:-1]
    return dict(zip(UNNEEDED, zip(undelayed, delayed, strict=True), strict=True))


@pytest.mark.slow
@pytest.mark.parametrize("use", UNNEEDED)
def test_what_answers_do_not_need_is_itself_for_those_who_use_it(printed_by_uses, use):
    undelayed, delayed = printed_by_uses[use]
    assert delayed == undelayed != ""


@pytest.mark.slow
def test_prediction_imports_no_compiler_and_no_shapes_and_nothing_that_spreads_weights(tmp_path):
    (tmp_path / "a.txt").write_text("words\n")
    arguments = [f"input={tmp_path / 'a.txt'}", f"output={tmp_path / 'a.npy'}"]
    unused = ["torch._dynamo.convert_frame", "torch.distributed.tensor", "scipy.optimize", "lightning", "sympy"]
    found = python(
        f"import sys; sys.argv = ['encode', *{arguments!r}]\n"
        "from polyhead.commands.encode import command\n"
        f"command(); print([name for name in {unused} if name in sys.modules])"
    )
    assert found.splitlines()[-1] == "[]"


TRAINS = """
import sys
sys.argv = ["train", *{arguments!r}]
from polyhead.commands.train import command
command()
from polyhead.app.terminal.late_imports import LateModule
print([name for name in {unused} if not isinstance(sys.modules.get(name), LateModule | None)])
"""


@pytest.mark.slow
def test_training_imports_no_plots(tmp_path):
    unused = ["torchmetrics.utilities.plot", "matplotlib", "scipy.optimize"]
    arguments = ["trainer=quick", "encoder.pretrained=false", "encoder.architecture.hidden_size=24"]
    arguments += ["encoder.architecture.num_hidden_layers=1", "data.sizes={train: 8, validation: 4, test: 4}"]
    arguments += ["~callbacks.confusion", "~callbacks.reliability", f"hydra.run.dir={tmp_path / 'run'}"]
    assert python(TRAINS.format(arguments=arguments, unused=unused)).splitlines()[-1] == "[]"

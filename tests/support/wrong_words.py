"""A command line taken as far as training takes it before weights load, in this process: refused, or well-formed."""

import contextlib
import io
import sys
from collections.abc import Sequence
from unittest.mock import patch

from hydra.core.global_hydra import GlobalHydra
from support.commands import ROOT, SMALL_DATA, TINY_ENCODER

from polyhead.app.config.hydra_state import compose_as_train
from polyhead.app.terminal.command_line import run
from polyhead.app.training import train
from polyhead.app.training.trainer import compose_trainer

CONFIGS = ROOT / "configs"


def key_of(override: str) -> str:
    return override.lstrip("+~").partition("=")[0]


def refusal(folder, *overrides: str) -> list[str] | None:
    """Return the lines by which a command line is refused, with exit code 2; None where it is well-formed.

    Anything else raises: a traceback, another exit code, or a line on standard error that is no message.
    """
    given = {key_of(override) for override in overrides}
    defaults = [
        *SMALL_DATA,
        *TINY_ENCODER,
        "accelerator=cpu",
        "logger=csv",
        f"run_dir={folder}",
        f"tokens.folder={folder}",
        f"activation_cache.folder={folder}",
    ]
    arguments = [*(override for override in defaults if key_of(override) not in given), *overrides]
    errors = io.StringIO()
    try:
        with contextlib.redirect_stderr(errors), patch.object(sys, "argv", ["train.py", *arguments]):
            run(lambda: _prepare(arguments), CONFIGS, "train")
        return None
    except SystemExit as error:
        code = error.code
    finally:
        GlobalHydra.instance().clear()
    lines = [line for line in errors.getvalue().splitlines() if not line.startswith("note: ")]
    assert code == 2, (code, lines)
    assert lines, overrides
    assert all(line.startswith("error: ") for line in lines), lines
    return [line.removeprefix("error: ") for line in lines]


def _prepare(arguments: Sequence[str]) -> None:
    config = compose_as_train(CONFIGS, arguments)
    train.check_choices()
    parts = train.prepare(config)
    compose_trainer(config, parts.precision, parts.length, [])

"""The container files: what they copy, call and mount is there, and their overrides compose. No engine is needed."""

import re
import shlex
import tomllib

import pytest
import yaml
from hydra import compose, initialize_config_dir
from support.commands import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
SERVICES = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))["services"]


def commands():
    """Yield script and overrides of every call of one of our entries, with the defaults of variables filled in."""
    texts = [shlex.join([*service["entrypoint"], *service["command"]]) for service in SERVICES.values()]
    texts += [line.partition("--entrypoint ")[2] for line in DOCKERFILE.splitlines() if "--entrypoint python" in line]
    for text in texts:
        filled = re.sub(r"\$\{\w+:-(\w*)\}", r"\1", text).replace("'", "")
        for script, rest in re.findall(r"((?:scripts/)?\w+\.py) ([^|]*)", filled):
            yield script, shlex.split(rest)


@pytest.mark.parametrize(("script", "overrides"), list(commands()))
def test_what_is_called_is_there_and_takes_the_overrides(script, overrides):
    assert (ROOT / script).is_file()
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        compose(script.removeprefix("scripts/").removesuffix(".py"), overrides=overrides)


def test_every_entry_is_among_them():
    assert {script for script, _ in commands()} == {"train.py", "scripts/export.py", "scripts/serve.py"}


def test_extras_of_the_image_are_those_of_the_package():
    known = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    named = [name for given in re.findall(r"EXTRAS=([\w,]+)", DOCKERFILE) for name in given.split(",")]
    assert {"data", "serve"} <= set(named) <= set(known)


def test_what_the_image_copies_is_there_and_not_ignored():
    copied = [word for line in re.findall(r"^COPY (.*)$", DOCKERFILE, re.MULTILINE) for word in line.split()[:-1]]
    allowed = (ROOT / ".dockerignore").read_text(encoding="utf-8").split()
    assert copied
    for name in copied:
        assert (ROOT / name).exists(), name
        assert f"!{name}" in allowed


def test_services_depend_on_services_and_mount_volumes_that_are_there():
    content = yaml.safe_load((ROOT / "compose.yaml").read_text(encoding="utf-8"))
    for service in SERVICES.values():
        assert set(service.get("depends_on", {})) <= set(SERVICES)
        assert {volume.split(":")[0] for volume in service["volumes"]} <= set(content["volumes"])
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))


def test_the_server_has_time_to_finish_before_it_is_killed():
    stop = yaml.safe_load((ROOT / "configs" / "serve.yaml").read_text(encoding="utf-8"))["stop_seconds"]
    assert int(SERVICES["server"]["stop_grace_period"].removesuffix("s")) > stop

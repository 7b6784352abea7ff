"""The wheel, installed beside the libraries of this environment alone, and used outside of the checkout."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile

import pytest
from support.commands import ENVIRONMENT, ROOT, TINY_ENCODER

pytest.importorskip("hatchling")  # builds it

PIP = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-cache-dir"]
TINY = [*TINY_ENCODER, "trainer.max_epochs=1", "trainer.accelerator=cpu", "logger=none", "~callbacks.progress"]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel of this checkout; built from a copy, so that nothing is left in it."""
    source, folder = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("src", "configs"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    subprocess.run([*PIP, "wheel", "--no-deps", "--no-build-isolation", "-w", str(folder), str(source)], check=True)
    (path,) = folder.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def polyhead(wheel, tmp_path_factory):
    """Run the console command of the wheel in a folder of its own."""
    folder = tmp_path_factory.mktemp("installed")
    subprocess.run([*PIP, "install", "--no-deps", "--target", str(folder), str(wheel)], check=True)
    place = tmp_path_factory.mktemp("elsewhere")
    libraries = sysconfig.get_paths()["purelib"]

    def run(*arguments):
        # -S leaves out what an editable install of the checkout adds to the path.
        environment = os.environ | ENVIRONMENT | {"PYTHONPATH": os.pathsep.join([str(folder), libraries])}
        environment |= {"HOME": str(place)}
        command = [sys.executable, "-S", "-P", str(folder / "bin" / "polyhead"), *arguments]
        return subprocess.run(command, cwd=place, env=environment, capture_output=True, encoding="utf-8", timeout=300)

    run.place = place
    return run


@pytest.mark.slow
def test_wheel_holds_every_configuration_and_file_of_the_package(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if name.startswith("polyhead/")}
        entry_points = next(name for name in archive.namelist() if name.endswith("entry_points.txt"))
        assert "polyhead = polyhead.commands.console:main" in archive.read(entry_points).decode()
    own = {str(path.relative_to(ROOT / "src")) for path in (ROOT / "src" / "polyhead").rglob("*") if path.is_file()}
    configs = {f"polyhead/{path.relative_to(ROOT)}" for path in (ROOT / "configs").rglob("*.yaml")}
    assert names == {name for name in own | configs if "__pycache__" not in name}


@pytest.mark.slow
def test_installed_command_makes_a_project_trains_in_it_and_predicts(polyhead):
    project = polyhead.place / "project"
    assert polyhead("init", "project").returncode == 0
    options = ["--config-dir", "project/configs", "data=mine", "data.files.train=project/train.csv"]
    folder = ["data.files.test=project/test.csv", "data.limit=80", "hydra.run.dir=runs/first"]
    done = polyhead("train", *options, *folder, *TINY, "freeze=backbone")
    assert done.returncode == 0, done.stderr
    run = polyhead.place / "runs" / "first"
    assert (run / "train.log").is_file()
    assert json.loads((run / "provenance.json").read_text())["git"] is None  # it is not the checkout that ran
    done = polyhead("export", "runs/first", "output=bundle")
    assert done.returncode == 0, done.stderr
    assert "try: polyhead predict model=bundle" in done.stdout
    done = polyhead("predict", "model=bundle", f"input={project / 'test.csv'}", "output=predicted.csv", "device=cpu")
    assert done.returncode == 0, done.stderr
    rows = (polyhead.place / "predicted.csv").read_text().splitlines()
    assert rows[0] == "text,category,sentiment," + ",".join(
        f"predicted_{task}{end}" for task in ("category", "sentiment") for end in ("", "_probability")
    )
    done = polyhead("train", "freeze=backbon")
    assert done.returncode == 2
    assert done.stderr.startswith("error: freeze=backbon: no such option; did you mean 'backbone'")
    assert str(ROOT) not in done.stderr

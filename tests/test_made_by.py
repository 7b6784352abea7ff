"""What earlier versions wrote still opens, and gives what it gave: a folder of ``tests/made_by`` per version."""

import json
import re
import shutil
import time
import urllib.request
from inspect import Parameter, signature

import numpy as np
import pytest
import torch
import yaml
from hydra.utils import get_object
from omegaconf import OmegaConf
from safetensors.torch import load_file
from support.commands import NO_PICTURES, ROOT, script, start, train
from support.configs import composed
from transformers import AutoConfig, AutoModel, AutoTokenizer

from polyhead.app.config.old_names import new_overrides
from polyhead.app.config.run_config import read_config
from polyhead.app.loaded.trained import load_trained_run
from polyhead.runs.old_names import upgrade
from polyhead.runs.record import flat, read
from polyhead.runs.report.conditions import group

VERSIONS = sorted(path for path in (ROOT / "tests" / "made_by").iterdir() if path.is_dir())
FINISHED = sorted(path.parent for version in VERSIONS for path in version.glob("*/metrics.json"))
OPTIONS = sorted(path for version in VERSIONS for path in version.glob("configs/*/*.yaml"))
TEXTS = ["A thing.", "What do you call a bear without teeth? A gummy bear!", "so much more to say " * 40]


def name_of(path):
    return str(path.relative_to(ROOT / "tests" / "made_by"))


@pytest.fixture(scope="module", params=VERSIONS, ids=name_of)
def made(request, tmp_path_factory):
    """Copy what a version made to a place of its own, which takes the one of the paths inside."""
    folder = tmp_path_factory.mktemp("made")
    shutil.copytree(request.param, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("configs"))
    (folder / "runs").mkdir()
    for run in [path.parent for path in folder.glob("*/provenance.json")]:
        for name in ("config.yaml", "provenance.json"):
            text = (run / name).read_text(encoding="utf-8")
            (run / name).write_text(text.replace("/home/user", str(folder)), encoding="utf-8")
        run.rename(folder / "runs" / run.name)
    return folder


def finished(made, but=()):
    """List the finished runs that are a version's own, not those that tests add."""
    known = {path.name for path in FINISHED} - {*but}
    return sorted(path.parent for path in (made / "runs").glob("*/metrics.json") if path.parent.name in known)


def read_json(run, name):
    return json.loads((run / name).read_text(encoding="utf-8"))


def losses(run):
    """Return the losses of a run, which depend on every weight, by split and task."""
    metrics = read_json(run, "metrics.json")
    return {
        f"{split}/{task}": results["loss"]
        for split in ("validation", "test")
        for task, results in metrics[split].items()
    }


def model_state(run):
    """Read the weights of a run's model without the library; adapters are added to what they belong to."""
    state = torch.load(run / "checkpoints" / "best.ckpt", weights_only=True)["state_dict"]
    state = {name.removeprefix("model."): value for name, value in state.items() if name.startswith("model.")}
    freeze = yaml.safe_load((run / "config.yaml").read_text())["freeze"]
    merged = {}
    for name, value in state.items():
        stem = name.removesuffix(".base_layer.weight")
        if stem != name:
            down, up = (state[f"{stem}.lora_{letter}.default.weight"] for letter in "AB")
            value = value + freeze["alpha"] / freeze["rank"] * up @ down
        if ".lora_" not in name:
            merged[name.replace(".base_layer", "")] = value
    return merged


def embeddings_of(made, state):
    """Embed the texts with transformers alone: the mean over the tokens, of which 64 are kept."""
    transformer = AutoModel.from_config(AutoConfig.from_pretrained(made / "encoder")).eval()
    prefix = "encoder.transformer."
    own = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    left_out = transformer.load_state_dict(own, strict=False)
    assert not left_out.unexpected_keys
    assert all(name.startswith("pooler.") for name in left_out.missing_keys)
    tokenizer = AutoTokenizer.from_pretrained(made / "encoder")
    rows = []
    for text in TEXTS:
        with torch.no_grad():
            states = transformer(**tokenizer(text, truncation=True, max_length=64, return_tensors="pt"))
        rows.append(states.last_hidden_state[0].mean(dim=0))
    return torch.stack(rows)


def probabilities_of(made, bundle):
    """Return what a bundle's own heads and temperatures make of the texts, by task, without the library."""
    embeddings = embeddings_of(made, model_state(made / "runs" / "full"))
    heads = load_file(bundle / "heads.safetensors")
    tasks = read_json(bundle, "tasks.json")["tasks"]
    probabilities = {}
    for task in tasks:
        weight, bias = (heads[name] for name in heads if task["name"] in name and name.endswith(("weight", "bias")))
        weight, bias = (weight, bias) if weight.ndim == 2 else (bias, weight)
        logits = embeddings @ weight.T + bias
        probabilities[task["name"]] = torch.softmax(logits / task["temperature"], dim=1).numpy()
    return probabilities


def targets_in(node, key=""):
    """Yield the nodes that name a class of this package, with their keys."""
    if isinstance(node, dict):
        if str(node.get("_target_")).startswith("polyhead."):
            yield key, node
        for name, value in node.items():
            yield from targets_in(value, f"{key}.{name}".lstrip("."))


def option_in_place(path):
    """Read an option of a group, and put it where it stands in the configuration."""
    text = path.read_text(encoding="utf-8")
    content = yaml.safe_load(text)
    package = re.match("# @package (.*)", text)
    where = package[1] if package else path.parent.name
    return content if where == "_global_" else {where: content}


@pytest.mark.parametrize("path", [path for path in OPTIONS if "_target_: polyhead." in path.read_text()], ids=name_of)
def test_old_options_name_classes_of_today_and_their_arguments(path):
    nodes = list(targets_in(upgrade(option_in_place(path))))
    assert nodes
    for _, node in nodes:
        parameters = signature(get_object(node["_target_"])).parameters
        takes_anything = any(parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters.values())
        assert takes_anything or {*node} - {"_target_"} <= {*parameters}


@pytest.mark.parametrize("run", FINISHED, ids=name_of)
def test_old_runs_have_keys_and_classes_that_their_overrides_give_today(run):
    upgraded = upgrade(yaml.safe_load((run / "config.yaml").read_text()))
    overrides = new_overrides(read_json(run, "provenance.json")["overrides"])
    today = OmegaConf.to_container(composed("run", *overrides))
    assert flat(upgraded).keys() <= flat(today).keys()
    old, new = ({key: node["_target_"] for key, node in targets_in(config)} for config in (upgraded, today))
    assert old.items() <= new.items()  # today a class of ours may stand where one of Lightning's stood


@pytest.mark.parametrize("run", FINISHED, ids=name_of)
def test_old_metrics_are_read_as_they_were_written(run):
    record, written = read(run), read_json(run, "metrics.json")
    assert record.status == "done"
    for task in ("category", "sentiment"):
        assert record.scores("macro_f1")["test"][task] == written["test"][task]["macro_f1"]
    assert record.costs()["seconds"] == written["seconds"]["total"]


@pytest.mark.slow
def test_old_runs_are_compared_by_report(made, tmp_path):
    done = script("report", str(made / "runs"), "--output", str(tmp_path / "report"))
    assert done.returncode == 0, done.stderr
    numbers = set(re.findall(r"^\| +(\d+) \|", done.stdout, re.MULTILINE))  # each in several tables
    means = {f"{read(run).scores('macro_f1')['test']['mean']:.3f}" for run in finished(made)}
    assert numbers == {str(number) for number in range(1, len(finished(made)) + 1)}
    assert all(f" {mean} " in done.stdout for mean in means)


@pytest.mark.slow
def test_old_runs_encode_as_their_weights_do_in_transformers(made, tmp_path):
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    for run in finished(made):
        output = tmp_path / f"{run.name}.npy"
        given = [f"run={run}", f"input={tmp_path / 'texts.jsonl'}", f"output={output}", "precision=32-true"]
        done = script("encode", *given, cwd=made)
        assert done.returncode == 0, done.stderr
        expected = embeddings_of(made, model_state(run)).numpy()
        np.testing.assert_allclose(np.load(output), expected, atol=1e-5)


@pytest.mark.slow
def test_an_old_run_is_found_to_have_lost_its_encoder_until_told_where_it_is(made, tmp_path):
    run = shutil.copytree(finished(made)[0], tmp_path / "run")
    given = [f"run={run}", "input=-", f"output={tmp_path / 'a.npy'}"]
    lost = script("encode", *given, cwd=tmp_path, stdin="a\n")
    assert lost.returncode == 2
    assert f"set encoder.location in '{run / 'config.yaml'}' to its new place" in lost.stderr
    assert len(lost.stderr.splitlines()) == 1
    config = read_config(run)
    config.encoder.location = str(made / "encoder")
    (run / "config.yaml").write_text(OmegaConf.to_yaml(config))
    found = script("encode", *given, cwd=tmp_path, stdin="a\n")
    assert found.returncode == 0, found.stderr


@pytest.mark.slow
def test_an_old_run_is_exported_as_it_was_by_its_version(made):
    bundle = made / "again"
    done = script("export", str(made / "runs" / "full"), f"output={bundle}", "sentences=train", cwd=made)
    assert done.returncode == 0, done.stderr
    for name in ("model.safetensors", "heads.safetensors"):
        old, new = load_file(made / "bundle" / name), load_file(bundle / name)
        assert old.keys() == new.keys()
        assert all(torch.equal(value, new[key]) for key, value in old.items())
    old, new = (read_json(folder, "tasks.json")["tasks"] for folder in (made / "bundle", bundle))
    for before, after in zip(old, new, strict=True):
        assert [before[key] for key in ("name", "labels", "temperature")] == [
            after[key] for key in ("name", "labels", "temperature")
        ]
        assert after["metrics"]["macro_f1"] == before["metrics"]["macro_f1"]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_an_old_bundle_predicts_what_its_weights_give_in_transformers(made, tmp_path, backend):
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in TEXTS))
    given = [f"model={made / 'bundle'}", f"input={tmp_path / 'texts.jsonl'}", f"output={tmp_path / 'out.jsonl'}"]
    done = script("predict", *given, f"backend={backend}", "precision=32-true", "all_probabilities=true")
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    tasks = {task["name"]: task["labels"] for task in read_json(made / "bundle", "tasks.json")["tasks"]}
    for task, expected in probabilities_of(made, made / "bundle").items():
        labels = tasks[task]
        found = [[row[f"predicted_{task}_probability_{label}"] for label in labels] for row in rows]
        np.testing.assert_allclose(found, expected, atol=1e-5)
        assert [row[f"predicted_{task}"] for row in rows] == [labels[index] for index in expected.argmax(axis=1)]


@pytest.mark.slow
def test_an_old_bundle_is_served(made):
    given, log = [f"model={made / 'bundle'}", "port=0", "precision=32-true"], made / "log"
    server = start(ROOT / "scripts" / "serve.py", *given, cwd=made, log=log)
    try:
        while not (said := re.search(r" at (http://\S+)$", log.read_text(), re.MULTILINE)):
            assert not server.has_ended(), log.read_text()
            time.sleep(0.05)
        address = said[1]
        request = urllib.request.Request(
            f"{address}/predict", json.dumps({"texts": TEXTS}).encode(), {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=60) as response:
            answer = json.load(response)
    finally:
        server.kill()
        server.wait()
    for task, expected in probabilities_of(made, made / "bundle").items():
        found = [list(result[task]["probabilities"].values()) for result in answer["predictions"]]
        np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.slow
def test_old_runs_are_averaged_by_soup(made, monkeypatch):
    monkeypatch.chdir(made)
    refused = script("soup", *map(str, finished(made)), "--folder", str(made / "runs" / "refused"), cwd=made)
    assert refused.returncode == 2
    assert "runs/lora' was trained with freeze=lora, whose adapters cannot be averaged" in refused.stderr
    runs = finished(made, but=["lora"])
    done = script("soup", *map(str, runs), "--folder", str(made / "runs" / "soup"), cwd=made)
    assert done.returncode == 0, done.stdout + done.stderr
    average = load_trained_run(made / "runs" / "soup").model.state_dict()
    states = [model_state(run) for run in runs]
    for name, value in average.items():
        mean = sum(state[name].double() for state in states) / len(states)
        torch.testing.assert_close(value.double(), mean, rtol=1e-6, atol=1e-7)
    assert losses(made / "runs" / "soup").keys() == losses(runs[0]).keys()


@pytest.mark.slow
def test_old_runs_are_reproduced(made):
    """To the last bit on the machine that they were made on; another one may round sums otherwise."""
    for original in finished(made):
        done = script("reproduce", str(original), cwd=made)
        assert done.returncode in (0, 1), done.stdout + done.stderr
        assert ("the metrics are the same, to the last bit" in done.stdout) == (done.returncode == 0)
        again = original.with_name(f"{original.name}-again")
        assert losses(again) == pytest.approx(losses(original), abs=1e-3)
        conditions, replaced = group([read(original), read(again)])
        assert len(conditions) == 1, "report takes the old run and the new one for the same choices"
        assert [record.folder for record in replaced] == [original]


@pytest.fixture(scope="module")
def uninterrupted(made):
    """Train what was interrupted from its start to the third epoch, by this version."""
    noted = read_json(made / "runs" / "interrupted", "provenance.json")["overrides"]
    as_then = ["heads=trained", "callbacks.best.min_rows=0", "callbacks.early_stopping.min_rows=0"]
    return train_on(made, "uninterrupted", [*new_overrides(noted), *as_then])[0]


def train_on(made, name, overrides):
    """Train to the end of the third epoch, with the learning rates of all forty."""
    stop = ["+callbacks.early_stopping.stopping_threshold=0.0", "logger=none", "callbacks.early_stopping.patience=1"]
    done = train(*overrides, *stop, *NO_PICTURES, f"hydra.run.dir={made / 'runs' / name}", cwd=made)
    assert done.returncode == 0, done.stderr
    run = made / "runs" / name
    assert read_json(run, "metrics.json")["epochs"] == 3
    return run, done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("names", ["of that version", "of today"])
def test_an_old_run_that_was_interrupted_is_resumed_as_if_it_had_not_been(made, uninterrupted, names):
    interrupted = made / "runs" / "interrupted"
    noted = read_json(interrupted, "provenance.json")["overrides"]
    overrides = noted if names == "of that version" else new_overrides(noted)
    last = interrupted / "checkpoints" / "last.ckpt"
    run, errors = train_on(made, f"resumed with names {names}".replace(" ", "-"), [*overrides, f"resume={last}"])
    assert losses(run) == pytest.approx(losses(uninterrupted), abs=1e-3)
    assert ("note: " in errors) == (overrides != new_overrides(noted))

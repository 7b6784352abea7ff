"""From a run to a bundle to predictions, by the scripts, as a user would."""

import csv
import json
import shutil
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
import pyarrow
import pytest
import torch
from hydra import compose, initialize_config_dir
from pyarrow import parquet
from safetensors.torch import load_file
from support import commands
from support.bundles import naming_a_path
from support.commands import ROOT, TINY, train

from polyhead import Predictor
from polyhead.app.loaded.trained import load_trained_run
from polyhead.deployment.bundle.neighbors import Neighbors
from polyhead.errors import UserError
from polyhead.training.checkpoints import load_checkpoint

pytestmark = pytest.mark.slow
RUN = r"run={}/runs/0_seed\=1\,a"
TEXTS = ["A short one.", "", "Zwölf Boxkämpfer 🙂", "a much longer text " * 20, "A short one."]


def script(name, *arguments, cwd, stdin=None):
    return commands.script(name, *arguments, cwd=cwd, stdin=stdin, text=False)


def run(name, *overrides):
    """Do in this process what the script of that name does."""
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose(name, overrides=list(overrides))
    import_module(f"polyhead.app.jobs.{name}").run(config)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with a run whose name is one that a sweep gives, and its bundle."""
    folder = tmp_path_factory.mktemp("export")
    assert train(*TINY, r"hydra.run.dir=runs/0_seed\=1\,a", cwd=folder).returncode == 0
    arguments = ["runs/0_seed=1,a", "output=bundle", "graph=int8", "max_int8_loss=100", "sentences=test"]
    done = script("export", *arguments, cwd=folder)
    assert done.returncode == 0, done.stderr
    assert b"onnx/model.onnx: differs from PyTorch by at most" in done.stdout
    assert b"onnx/model_int8.onnx: accuracy of sentiment on 32 test sentences" in done.stdout
    return folder


def test_export_gives_what_the_run_s_best_weights_give(folder):
    trained = load_trained_run(folder / "runs" / "0_seed=1,a")
    tokenizer = trained.encoder.load_text_tokenizer().tokenizer
    predictions = Predictor.load(folder / "bundle", precision="32-true").predict(TEXTS)
    for row, text in enumerate(TEXTS):
        ids = torch.tensor([tokenizer(text, truncation=True, max_length=256)["input_ids"]])
        with torch.inference_mode():
            embedding = trained.model.encoder(ids)
            logits = trained.model.classify(embedding)
        np.testing.assert_allclose(predictions[row].embedding, embedding[0], atol=1e-5)
        for task, values in logits.items():
            expected = (values[0] / trained.fits[task]["temperature"]).softmax(0)
            np.testing.assert_allclose(predictions.probabilities[task][row], expected, atol=1e-5)
    state = load_checkpoint(folder / "runs" / "0_seed=1,a" / "checkpoints" / "best.ckpt")["state_dict"]
    weight = trained.model.heads["category"][1].weight
    torch.testing.assert_close(weight, state["model.heads.category.1.weight"])


def test_export_describes_the_run_in_the_manifest(folder):
    manifest = json.loads((folder / "bundle" / "tasks.json").read_text())
    metrics = json.loads((folder / "runs" / "0_seed=1,a" / "metrics.json").read_text())
    assert manifest["format"] == 3
    assert [task["name"] for task in manifest["tasks"]] == ["category", "sentiment"]
    for task in manifest["tasks"]:
        name = task["name"]
        numbers = {metric: value for metric, value in metrics["test"][name].items() if isinstance(value, int | float)}
        numbers.pop("temperature", None)  # of the validation split, as it stands beside the metrics
        assert task["metrics"] == numbers
        assert task["temperature"] == metrics["validation"][name]["temperature"]
    assert manifest["made_with"]["run"] == "0_seed=1,a"
    assert "0_seed=1,a" in (folder / "bundle" / "README.md").read_text()


def test_export_with_a_graph_loads_in_sentence_transformers_with_its_onnx_backend(folder):
    """It hands ``model_args`` to the library that opens the graph, and that refuses any it does not know."""
    assert "model_args" not in json.loads((folder / "bundle" / "sentence_bert_config.json").read_text())


def test_export_names_no_place_of_the_machine(folder):
    assert naming_a_path(folder / "bundle", folder) == []
    for name in ("onnx/model.onnx", "onnx/model_int8.onnx"):
        model = onnx.load(folder / "bundle" / name)
        onnx.checker.check_model(model)
        assert b"metadata" not in (folder / "bundle" / name).read_bytes()
        assert not any(node.metadata_props or node.doc_string for node in model.graph.node)


def test_export_measures_the_accuracy_of_both_graphs(folder):
    manifest = json.loads((folder / "bundle" / "tasks.json").read_text())
    sentences = list(load_trained_run(folder / "runs" / "0_seed=1,a").source.sentences("test"))
    for backend, graph in (("onnx", "float32"), ("onnx-int8", "int8")):
        predictions = Predictor.load(folder / "bundle", backend).predict([sentence.text for sentence in sentences])
        for task, found in manifest["quantization"].items():
            labels = [sentence.labels[task] for sentence in sentences]
            right = [ours == theirs for ours, theirs in zip(predictions.labels(task), labels, strict=True)]
            assert found[graph] == pytest.approx(sum(right) / 32)
    assert manifest["quantization"].keys() == {"category", "sentiment"}


def test_export_stores_the_sentences_of_a_split_with_their_embeddings(folder):
    from sentence_transformers import SentenceTransformer

    stored = Neighbors.read(folder / "bundle", width=24)
    source = load_trained_run(folder / "runs" / "0_seed=1,a").source
    assert stored.sentences == [sentence.text for sentence in source.sentences("test")]
    model = SentenceTransformer(str(folder / "bundle"), device="cpu")
    expected = model.encode(stored.sentences, normalize_embeddings=True)
    np.testing.assert_allclose(stored.directions, expected, atol=0.02)  # in half precision, computed in bf16 at best


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
def test_predict_keeps_columns_and_order_in_every_format(folder, tmp_path, monkeypatch, ending):
    monkeypatch.chdir(tmp_path)
    with Path("in.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "sentence"], *enumerate(TEXTS)])
    arguments = [f"model={folder / 'bundle'}", "input=in.csv", "text=sentence", f"output=out.{ending}"]
    run("predict", *arguments, "all_probabilities=true", "precision=32-true", "backend=onnx")
    if ending == "csv":
        with Path("out.csv").open(newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    elif ending == "jsonl":
        rows = [json.loads(line) for line in Path("out.jsonl").read_text().splitlines()]
    else:
        rows = parquet.read_table("out.parquet").to_pylist()
    expected = Predictor.load(folder / "bundle", precision="32-true").predict(TEXTS)
    assert [row["sentence"] for row in rows] == TEXTS
    assert [row["id"] for row in rows] == [str(i) for i in range(5)]
    for row, prediction in zip(rows, expected, strict=True):
        for task, shares in prediction.probabilities.items():
            if not row["sentence"].strip():
                assert not row[f"predicted_{task}"]  # a blank text has no prediction
                continue
            assert row[f"predicted_{task}"] == prediction.labels[task]
            for label, share in shares.items():
                assert abs(float(row[f"predicted_{task}_probability_{label}"]) - share) < 1e-4


def test_predict_keeps_the_types_of_a_parquet_file(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ids = pyarrow.array([1, 2], pyarrow.int8())
    parquet.write_table(pyarrow.table({"text": ["a", "b"], "id": ids}), "in.parquet")
    run("predict", f"model={folder / 'bundle'}", "input=in.parquet", "output=out.parquet", "embeddings=true")
    table = parquet.read_table("out.parquet")
    assert table["id"].type == pyarrow.int8()
    expected = Predictor.load(folder / "bundle").predict(["a", "b"])
    np.testing.assert_allclose(table["embedding"].to_pylist(), expected.embeddings, rtol=1e-6)
    assert table["predicted_category"].to_pylist() == expected.labels("category")


@pytest.mark.parametrize(
    ("name", "arguments"), [("export", ["nowhere"]), ("predict", ["model=a", "input=b", "output=-"])]
)
def test_scripts_report_a_mistake_once(tmp_path, name, arguments):
    done = script(name, *arguments, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith(b"error: ")


def test_predict_reads_standard_input_and_writes_standard_output(folder):
    arguments = ["model=bundle", "input=-", "output=-"]
    done = script("predict", *arguments, cwd=folder, stdin="\n".join(TEXTS).encode())
    assert [json.loads(line)["text"] for line in done.stdout.decode().splitlines()] == TEXTS
    assert b"5 texts predicted" in done.stderr


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("predict", ["input=gold.csv", "output=-", "model=."], r"is no bundle, it has no tasks\.json"),
        ("predict", ["input=gold.csv", "output=-"], "it has a column 'predicted_category' already"),
        ("predict", ["input=half.jsonl", "output=a.csv"], "half.jsonl row 2: text is 5 and no text"),
        ("predict", ["input=gold.csv", "output=-", "text=txt"], "gold.csv: no column 'txt' for the text, set text"),
        ("predict", ["input=gold.csv", "output=a.csv", "embeddings=true"], "a CSV cell holds no list"),
        ("export", ["run=."], r"metrics\.json' cannot be read; is"),
        ("export", ["output=gold.csv"], "is there already; choose another folder"),
        ("export", ["graph=onx"], "graph: unknown 'onx'; did you mean 'onnx'"),
        ("export", ["sentences=trian"], "'trian' is no file; give one, or a split"),
        ("export", ["graph=int8", "max_int8_loss=-101"], "max_int8_loss: -101.* given; it must be 0 or more"),
    ],
)
def test_scripts_refuse_mistakes_and_leave_nothing(folder, tmp_path, monkeypatch, name, arguments, message):
    monkeypatch.chdir(tmp_path)
    Path("gold.csv").write_text("text,predicted_category\nA,News\n")
    Path("half.jsonl").write_text('{"text": "fine"}\n{"text": 5}\n')
    usual = {"predict": [f"model={folder / 'bundle'}"], "export": [RUN.format(folder), "output=new"]}
    with pytest.raises(UserError, match=message) as error:
        run(name, *usual[name], *arguments)
    assert "\n" not in str(error.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gold.csv", "half.jsonl"]


def test_export_refuses_a_license_and_datasets_that_the_hub_would(tmp_path):
    wrong = ["license=My own", "datasets=[a b]"]
    with pytest.raises(UserError, match=r"^license: 'My own' given.*\ndatasets: \['a b'\] given"):
        run("export", f"run={tmp_path}", f"output={tmp_path / 'new'}", *wrong)
    assert not (tmp_path / "new").exists()


def test_export_refuses_a_checkpoint_of_another_version(folder, tmp_path, monkeypatch):
    copy = shutil.copytree(folder / "runs" / "0_seed=1,a", tmp_path / "run")
    checkpoint = torch.load(copy / "checkpoints" / "best.ckpt", weights_only=True)
    checkpoint["state_dict"]["model.heads.category.2.weight"] = torch.zeros(1)
    torch.save(checkpoint, copy / "checkpoints" / "best.ckpt")
    (copy / "checkpoints" / "SHA256SUMS").unlink()
    with pytest.raises(UserError, match=r"the first that differs: heads\.category\.2\.weight.*version of polyhead"):
        run("export", f"run={copy}", f"output={tmp_path / 'new'}")
    (copy / "config.yaml").write_text("encoder: 1\n")
    with pytest.raises(UserError, match="is no configuration of this version of polyhead; train again"):
        run("export", f"run={copy}", f"output={tmp_path / 'new'}")


def test_export_writes_and_seals_classifiers(folder, tmp_path):
    run("export", RUN.format(folder), f"output={tmp_path / 'new'}", "classifiers=true")
    files = json.loads((tmp_path / "new" / "tasks.json").read_text())["files"]
    assert {f"classifiers/{task}/model.safetensors" for task in ("category", "sentiment")} <= set(files)
    Predictor.load(tmp_path / "new")


def test_export_merges_adapters(tmp_path):
    from sentence_transformers import SentenceTransformer

    options = ["freeze=lora", "optimizer.encoder_lr=1e-2", "hydra.run.dir=run"]
    done = train(*TINY, *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    run("export", f"run={tmp_path / 'run'}", f"output={tmp_path / 'bundle'}")
    state = load_checkpoint(tmp_path / "run" / "checkpoints" / "best.ckpt")["state_dict"]
    adapted = {name.partition(".lora_B")[0]: value for name, value in state.items() if ".lora_B" in name}
    assert any(value.abs().max() > 1e-3 for value in adapted.values())
    weights = load_file(tmp_path / "bundle" / "model.safetensors")
    assert not any("lora" in name for name in weights)
    for name, up in adapted.items():
        base, down = state[f"{name}.base_layer.weight"], state[f"{name}.lora_A.default.weight"]
        merged = weights[name.removeprefix("model.encoder.transformer.") + ".weight"]
        torch.testing.assert_close(merged, base + 2 * up @ down)  # alpha 16 over rank 8
    ours = Predictor.load(tmp_path / "bundle", precision="32-true").predict(TEXTS).embeddings
    theirs = SentenceTransformer(str(tmp_path / "bundle"), device="cpu").encode(TEXTS)
    np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_export_uses_a_temperature_that_was_fitted(folder, tmp_path):
    copy = shutil.copytree(folder / "runs" / "0_seed=1,a", tmp_path / "run")
    metrics = json.loads((copy / "metrics.json").read_text())
    fitted = metrics["validation"]["sentiment"]["temperature"]
    metrics["validation"]["sentiment"]["temperature"] = 2.5
    (copy / "metrics.json").write_text(json.dumps(metrics))
    (copy / "SHA256SUMS").unlink()
    run("export", f"run={copy}", f"output={tmp_path / 'new'}")
    before, after = (
        Predictor.load(path, precision="32-true").predict(TEXTS) for path in (folder / "bundle", tmp_path / "new")
    )
    np.testing.assert_allclose(after.probabilities["category"], before.probabilities["category"], atol=1e-6)
    cooled = np.log(after.probabilities["sentiment"]) * 2.5 / fitted
    shares = np.exp(cooled) / np.exp(cooled).sum(axis=1, keepdims=True)
    np.testing.assert_allclose(shares, before.probabilities["sentiment"], atol=1e-5)

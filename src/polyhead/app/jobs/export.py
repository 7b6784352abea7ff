"""One export: what a run trained, written as a bundle."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers
from omegaconf import DictConfig

import polyhead
from polyhead import hardware
from polyhead.app.config.options import check_options
from polyhead.app.config.trust import check_trust
from polyhead.app.jobs.graphs import write_graphs
from polyhead.app.jobs.hub import check_repository, push
from polyhead.app.jobs.table_options import TABLE_OPTIONS, read_dialect
from polyhead.app.jobs.text_file import read_texts
from polyhead.app.loaded.trained import load_trained_run
from polyhead.app.loaded.trained_run import TrainedRun
from polyhead.app.terminal.command_config import command_config
from polyhead.app.terminal.command_names import as_called
from polyhead.data.tokenization import TextTokenizer
from polyhead.deployment.bundle import graph as onnx_graph
from polyhead.deployment.bundle.card_data import Rights
from polyhead.deployment.bundle.classifiers import write_classifiers
from polyhead.deployment.bundle.folder import new_folder, write_model
from polyhead.deployment.bundle.manifest import Manifest, TaskEntry, seal
from polyhead.deployment.bundle.model_card import DISTILLED, model_card
from polyhead.deployment.bundle.neighbors import Neighbors
from polyhead.deployment.bundle.scores import write_scores
from polyhead.errors import UserError, check_parameters, collect_errors, did_you_mean
from polyhead.inference.embedder import Embedder
from polyhead.models.pretrained import PretrainedEncoder
from polyhead.runs.contents import RunMetrics
from polyhead.runs.folder import RunFolder
from polyhead.storage.row_readers import check_format
from polyhead.tasks import Task

_GRAPHS = ("none", "onnx", "int8")
_SPLITS = ("train", "validation", "test")


def run(config: DictConfig) -> None:
    """Write a run's model as a bundle, and print what to try with it.

    Raises:
        UserError: as :func:`export`.
    """
    output = export(config)
    size = sum(path.stat().st_size for path in output.rglob("*") if path.is_file())
    advice = as_called(f"python scripts/predict.py model={output} input=- output=-")
    print(f"{output}: a bundle of {size / 1e6:,.0f} MB; try: {advice}")


def export_run(folder: Path, output: Path, trust: Sequence[str] = (), **options: Any) -> Path:
    """Write a run's model as a bundle, and return the bundle's folder.

    Args:
        folder: of the run.
        output: folder of the bundle.
        trust: packages whose names the run's configuration may build.
        options: keys of the command.

    Raises:
        UserError: as :func:`export`, or an option is unknown.
    """
    own = {"run": str(folder), "output": str(output), "trust": list(trust)}
    return export(command_config("export", {**options, **own}))


def export(config: DictConfig) -> Path:
    """Write a run's model as a bundle, and return the bundle's folder.

    Raises:
        UserError: no finished run, a library is missing, int8 costs too much, or the folder cannot be written.
    """
    check_options(
        config,
        sections=("trust",),
        run=str,
        output=str,
        overwrite=bool,
        graph=str,
        max_int8_loss=float,
        classifiers=bool,
        sentences=str | None,
        cache=str,
        push=str | None,
        license=str | None,
        datasets=Sequence | None,
        **TABLE_OPTIONS,
    )
    trust = check_trust(config.trust)
    _check_values(config)
    if config.graph != "none":
        onnx_graph.require("onnx", "onnxscript", "onnxruntime")
    RunMetrics.read(RunFolder(Path(config.run)))  # before a folder is made for what is no run
    output = Path(config.output)
    with new_folder(output, config.overwrite) as folder:
        trained = load_trained_run(Path(config.run), trust, config.cache)
        _write_bundle(folder, output.name, trained, config)
    if config.push is not None:
        print(f"{output}: pushed to {push(output, config.push)}")
    return output


def _check_values(config: DictConfig) -> None:
    """Check values also where nothing is read or measured by them."""
    problems: list[str] = []
    if config.graph not in _GRAPHS:
        problems.append(f"graph: unknown {config.graph!r}; {did_you_mean(config.graph, _GRAPHS)}")
    with collect_errors(problems):
        check_parameters(("max_int8_loss", config.max_int8_loss, config.max_int8_loss >= 0, "0 or more"))
    with collect_errors(problems):
        check_format(config.input_format)
    with collect_errors(problems):
        check_repository(config.push)
    with collect_errors(problems):
        _rights(config)
    with collect_errors(problems):
        read_dialect(config)
    if problems:
        raise UserError("\n".join(problems))


def _write_bundle(folder: Path, name: str, trained: TrainedRun, config: DictConfig) -> None:
    """Write the files of a bundle, the manifest last.

    Args:
        folder: empty.
        name: of the bundle, for its model card.
        trained: the run.
        config: which files to write besides the model.

    Raises:
        UserError: int8 costs too much, or the sentences to store cannot be read.
    """
    tokenizer = trained.encoder.load_text_tokenizer()
    write_model(folder, trained.model, tokenizer, with_graph=config.graph != "none")
    write_scores(folder, trained.scores)
    quantization = write_graphs(folder, trained, tokenizer, config)
    if config.classifiers:
        write_classifiers(folder, trained.model, trained.tasks, tokenizer)
    if config.sentences is not None:
        _neighbors(stored_sentences(config, trained), trained, tokenizer).write(folder)
    manifest = Manifest(
        tasks=[_entry(task, trained) for task in trained.tasks],
        max_length=tokenizer.max_length,
        made_with=_made_with(trained),
        quantization=quantization,
        windows=tokenizer.windows,
        dimensions=_dimensions(trained),
    )
    pooling = trained.model.encoder.describe()
    card = model_card(
        name, manifest, pooling, tokenizer.prompt, config.graph != "none", trained.scores, _rights(config)
    )
    (folder / "README.md").write_text(card, encoding="utf-8")
    seal(folder, manifest)


def stored_sentences(config: DictConfig, trained: TrainedRun) -> list[str]:
    """Return the sentences that the bundle stores: those of a split of the run, or of a table.

    Raises:
        UserError: neither a split nor a file, a file that cannot be read, or no sentence in it.
    """
    choice = config.sentences
    if choice in _SPLITS:
        texts = [sentence.text for sentence in trained.sentences(choice)]
    elif Path(choice).is_file():
        texts = read_texts(choice, config)
    else:
        raise UserError(f"sentences: {choice!r} is no file; give one, or a split: {', '.join(_SPLITS)}")
    if not texts:
        raise UserError(f"sentences: {choice!r} holds none; set sentences=null")
    return texts


def _rights(config: DictConfig) -> Rights:
    """Return what the author says of license and data.

    Raises:
        ParameterError: the hub would refuse it.
    """
    return Rights(config.license, tuple(config.datasets or ()))


def _neighbors(texts: Sequence[str], trained: TrainedRun, tokenizer: TextTokenizer) -> Neighbors:
    """Embed the sentences that the bundle stores."""
    embedder = Embedder(trained.model.encoder, tokenizer, hardware.best_precision("cpu"), torch.device("cpu"))
    return Neighbors.from_embeddings(texts, embedder.embed(texts))


def _entry(task: Task, trained: TrainedRun) -> TaskEntry:
    """Describe a head, with those of its test metrics that are one number."""
    results: Mapping[str, Any] = trained.metrics.test.get(task.name, {})
    numbers = {metric: value for metric, value in results.items() if isinstance(value, int | float)}
    numbers.pop("temperature", None)
    return TaskEntry.of(task, trained.fits.get(task.name, {}), numbers)


def _dimensions(trained: TrainedRun) -> dict[str, dict[str, dict[str, Any]]]:
    """Return what validation fitted of each task, by width of the embedding below the whole."""
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for size, splits in trained.metrics.dimensions.items():
        results: Mapping[str, Mapping[str, Any]] = splits.get("validation", {})
        known = [task for task in trained.tasks if task.kind.fits and task.kind.fits in results.get(task.name, {})]
        found[size] = {task.name: {task.kind.fits: results[task.name][task.kind.fits]} for task in known}
        for name, kept in trained.metrics.kept_heads.items():  # nothing was fitted of them here
            if size in kept.get("dimensions", {}):
                found[size][name] = {"temperature": kept["dimensions"][size]}
    return found


def _made_with(trained: TrainedRun) -> dict[str, str]:
    teacher = trained.config.get("teacher")
    return {
        "polyhead": polyhead.__version__,
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "encoder": _encoder_name(trained.encoder),
        "run": trained.folder.resolve().name,
        **({} if teacher is None else {DISTILLED: Path(teacher).resolve().name}),
    }


def _encoder_name(encoder: PretrainedEncoder) -> str:
    """Return where an encoder came from; of a folder only its own name, since the path says whose machine it was."""
    if not encoder.pretrained:
        return "random weights"
    folder = Path(encoder.location)
    return folder.resolve().name if folder.is_dir() else encoder.location

"""One encoding, from its configuration to its file: read texts, embed them, write the embeddings."""

import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from omegaconf import DictConfig

from polyhead import hardware
from polyhead.app.config.hydra_state import task_overrides
from polyhead.app.config.options import check_options
from polyhead.app.config.trust import check_trust
from polyhead.app.jobs.table_options import TABLE_OPTIONS, read_dialect
from polyhead.app.loaded.trained import build_encoder, load_trained_run
from polyhead.app.loaded.trained_run import TrainedRun
from polyhead.app.terminal.progress import text_progress
from polyhead.app.terminal.reading_notes import tell_reading
from polyhead.deployment.nested_backend import check_size
from polyhead.errors import UserError, parameters_under
from polyhead.inference.embedder import Embedder
from polyhead.models.encoder import Encoder
from polyhead.models.matryoshka import truncate
from polyhead.models.pretrained import PretrainedEncoder
from polyhead.storage.embedding_writers import open_embedding_file
from polyhead.storage.row_readers import open_rows
from polyhead.storage.rows import RowReader


def run(config: DictConfig) -> None:
    """Embed every row of the input and write the embeddings in their order.

    Raises:
        UserError: the configuration has problems, or a row has no text.
    """
    hardware.keep_freed_memory()
    hardware.keep_few_kernels()
    _check_encoder(config.run, task_overrides())
    check_options(
        config,
        sections=("encoder", "trust"),
        input=str,
        output=str,
        overwrite=bool,
        run=str | None,
        normalize=bool,
        dimensions=int | None,
        precision=str,
        device=str,
        **TABLE_OPTIONS,
    )
    check_trust(config.trust)
    keys = ("device", "precision")
    if problems := list(hardware.problems(config.device, config.precision, keys, converts_weights=True)):
        raise UserError("\n".join(problems))
    dialect = read_dialect(config)
    with open_rows(config.input, config.input_format, dialect) as reader:
        reader.check(config.text)
        _encode(reader, config)
        tell_reading(reader)


def _check_encoder(run: object, overrides: Sequence[str]) -> None:
    """Check that a run, which brings its own encoder, is not given another one, nor one that only training has.

    Raises:
        UserError: an override concerns the encoder of a configuration that has a run, or asks for that of a teacher.
    """
    if "encoder=teacher" in overrides:
        raise UserError("encoder=teacher: only training has a teacher; give run=RUN for the encoder of a run")
    given = [override for override in overrides if override.lstrip("+~").startswith(("encoder=", "encoder."))]
    if run is not None and given:
        raise UserError(f"{given[0]}: the encoder of the run {run!r} is taken as it was trained; leave one of them out")


def _load(encoder: PretrainedEncoder) -> Encoder:
    with parameters_under("encoder"):
        return encoder.load()


def _width(config: DictConfig, trained: TrainedRun | None, whole: Encoder) -> int:
    """Return how many units of an embedding are written.

    Raises:
        UserError: the model was not trained for as many alone.
    """
    if config.dimensions is None:
        return whole.embedding_size
    if trained is None:
        raise UserError(
            f"dimensions: {config.dimensions} given, and of an encoder alone nothing says whether it was trained for "
            "that; give a run that was, as run=RUN"
        )
    check_size(str(config.run), config.dimensions, [whole.embedding_size, *trained.model.dimensions[1:]])
    return int(config.dimensions)


def _encode(reader: RowReader, config: DictConfig) -> None:
    trust = check_trust(config.trust)
    trained = None if config.run is None else load_trained_run(Path(config.run), trust)
    source = build_encoder(config.encoder, trust) if trained is None else trained.encoder
    with parameters_under("encoder"):
        tokenizer, skeleton = source.load_text_tokenizer(), source.skeleton()
    width = _width(config, trained, skeleton)
    precision = hardware.choose_precision(config.precision, config.device)
    device = torch.device(hardware.device_type(config.device))

    with open_embedding_file(Path(config.output), width, config.overwrite) as file:
        encoder = _load(source) if trained is None else trained.model.encoder
        embedder = Embedder(encoder, tokenizer, precision, device, owned=True)
        del encoder, trained  # the embedder alone holds it now: packed layers take the place of its own
        started, rows = time.perf_counter(), 0
        with text_progress() as progress:
            bar = progress.add_task("encoding", total=reader.size, rows=0)
            for embeddings in embedder.embed(reader.texts(config.text)):
                if width < skeleton.embedding_size:
                    embeddings = truncate(torch.from_numpy(embeddings), width, skeleton.is_normalized).numpy()
                if config.normalize:
                    embeddings /= np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
                file.append(embeddings)
                rows += len(embeddings)
                progress.update(bar, completed=reader.position, rows=rows)
    seconds = time.perf_counter() - started
    cut = (
        f", {embedder.truncated:,} of them cut to {tokenizer.limit} ({tokenizer.advice})" if embedder.truncated else ""
    )
    rate = f"{rows / seconds:,.0f} per second"
    prompt = f", each after {tokenizer.prompt!r}" if tokenizer.prompt else ""
    print(f"{rows:,} embeddings of width {width} in {config.output}: {rate}, {precision}{cut}{prompt}")

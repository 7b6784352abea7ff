"""One encoding, from its configuration to its file: read lines, embed, write."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from omegaconf import DictConfig
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from polyhead.app import hardware
from polyhead.app.composition import build
from polyhead.embedder import Embedder
from polyhead.embedding_files import open_embedding_file
from polyhead.encoder import Encoder
from polyhead.errors import UserError


def run(config: DictConfig) -> None:
    """Embed every line of the input and write the embeddings in their order.

    Raises:
        UserError: the configuration has problems, or the input is no UTF-8 text.
    """
    hardware.keep_freed_memory()
    hardware.keep_few_kernels()
    problems = list(hardware.problems(config.accelerator, config.precision, group=""))
    if config.input != "-" and not Path(config.input).is_file():
        problems.append(f"input: no file {config.input!r}; give a text file, or - for standard input")
    if problems:
        raise UserError("\n".join(problems))
    source = build(config.encoder, "encoder")
    tokenizer, width = source.load_tokenizer(), source.load_config().hidden_size
    precision = hardware.best_precision(config.accelerator) if config.precision == "auto" else config.precision
    device = torch.device(hardware.device_type(config.accelerator))

    with open_embedding_file(Path(config.output), width, config.overwrite) as file:
        encoder = source.load()
        if config.run is not None:
            _load_trained(encoder, Path(config.run))
        embedder = Embedder(encoder, tokenizer, source.max_length, precision, device)
        del encoder  # the embedder has its own copy
        started, rows = time.perf_counter(), 0
        with _open(config.input) as stream, _progress() as progress:
            total = None if config.input == "-" else Path(config.input).stat().st_size
            bar = progress.add_task("encoding", total=total, rows=0)
            for embeddings in embedder.embed(read_lines(stream, config.input)):
                if config.normalize:
                    embeddings /= np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
                file.append(embeddings)
                rows += len(embeddings)
                progress.update(bar, completed=stream.tell() if total else None, rows=rows)
    seconds = time.perf_counter() - started
    cut = f", {embedder.truncated:,} of them cut to {source.max_length} tokens" if embedder.truncated else ""
    print(f"{rows:,} embeddings of width {width} in {config.output}: {rows / seconds:,.0f} a second, {precision}{cut}")


def _open(name: str) -> BinaryIO:
    return sys.stdin.buffer if name == "-" else Path(name).open("rb")


def read_lines(stream: BinaryIO, name: str) -> Iterator[str]:
    """Yield the lines of UTF-8 text, without their ends; an empty line is an empty text, so that rows stay in step.

    Raises:
        UserError: a line is not UTF-8.
    """
    for number, line in enumerate(stream, start=1):
        try:
            yield line.decode("utf-8").rstrip("\r\n")
        except UnicodeDecodeError as error:
            raise UserError(
                f"input: line {number} of {name} is not UTF-8 ({error.reason}); convert the file"
            ) from error


def _load_trained(encoder: Encoder, folder: Path) -> None:
    from polyhead.checkpoints import load_checkpoint  # Lightning takes seconds to import, and few need it here

    state = load_checkpoint(folder / "checkpoints" / "best.ckpt").get("state_dict", {})
    prefix = "model.encoder."
    weights = {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}
    theirs, ours = ({name: value.shape for name, value in some.items()} for some in (weights, encoder.state_dict()))
    if theirs != ours:
        raise UserError(f"run: {str(folder)!r} was trained with another encoder; choose the same encoder= as there")
    encoder.load_state_dict(weights)


def _progress() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rows]:,} texts"),
    )
    console = Console(stderr=True)
    return Progress(*columns, TimeRemainingColumn(), console=console, transient=True, disable=not console.is_terminal)

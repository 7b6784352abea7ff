"""A bundle to serve: the encoder with random heads, so that texts need no labels."""

from pathlib import Path

import torch

from benchmarks.settings import Settings
from benchmarks.workload import TASKS, open_encoder
from polyhead.deployment.backends import GRAPH, INT8_GRAPH
from polyhead.deployment.bundle.folder import write_model
from polyhead.deployment.bundle.graph import quantize, write_graph
from polyhead.deployment.bundle.manifest import Manifest, TaskEntry, seal
from polyhead.models.multitask import MultiTaskModel


def write_bundle(settings: Settings, folder: Path, graphs: bool = False) -> MultiTaskModel:
    """Write a bundle into a new folder, with ONNX graphs if asked for, and return its model."""
    source = open_encoder(settings)
    torch.manual_seed(0)
    model = MultiTaskModel(source.load(), TASKS, dropout=0.0).eval().requires_grad_(False)
    folder.mkdir()
    tokenizer = source.load_text_tokenizer()
    write_model(folder, model, tokenizer, with_graph=graphs)
    if graphs:
        write_graph(folder / GRAPH, model, tokenizer.max_length)
        quantize(folder / GRAPH, folder / INT8_GRAPH)
    entries = [TaskEntry(task.name, list(task.labels), None, {}) for task in TASKS]
    seal(folder, Manifest(entries, tokenizer.max_length, {}))
    return model

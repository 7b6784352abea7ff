"""Pipeline reader: a folder of sentence-transformers -> the pipeline that it describes.

The folder may be of somebody else: only the modules and activations listed here are built, and every value is checked.
"""

import logging
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath
from typing import Any

from polyhead.errors import ParameterError, did_you_mean
from polyhead.models.model_files import ModelFiles
from polyhead.models.pipeline import POOLING_FLAGS, ModuleFolder, Pipeline, Prompts, inside
from polyhead.models.pooling import pooling_names
from polyhead.models.sentence_modules import KINDS, flag

log = logging.getLogger(__name__)

_MOST_MODULES = 20
_BASE = ("Transformer", "Pooling")  # what every pipeline begins with
_HOME = "sentence_transformers."
_TRANSFORMER_FILES = [  # of which the first that there is counts
    "sentence_bert_config.json",
    *(
        f"sentence_{family}_config.json"
        for family in ("roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")
    ),
]
_PLAIN = {
    "transformer_task": "feature-extraction",
    "module_output_name": "token_embeddings",
    "modality_config": {"text": {"method": "forward", "method_output_name": "last_hidden_state"}},
}
_OTHER_INPUTS = (
    "config_args",
    "config_kwargs",
    "processing_kwargs",
    "processor_kwargs",
    "tokenizer_args",
    "tokenizer_name_or_path",
)
_DROPOUT = "Dropout"  # which changes no embedding: it acts in training alone, where heads have a dropout of their own
_SETTINGS = "config_sentence_transformers.json"


def read_pipeline(files: ModelFiles) -> Pipeline:
    """Read what a model's folder says beside its transformer; one that says nothing has plain mean pooling.

    Raises:
        ParameterError: a module that is not supported, by its name, or a file that is damaged or says what cannot be.
    """
    entries = files.read("modules.json", list)
    if entries is None:
        return Pipeline()
    folders = [folder for folder in _module_folders(entries) if folder[0] != _DROPOUT]
    kinds = tuple(kind for kind, _ in folders)
    if kinds[:2] != _BASE:
        raise _unsupported(" and ".join(kinds[:2]), f"it must begin with {' and '.join(_BASE)}")
    _check_kind(files)
    transformer, pooling = (path for _, path in folders[:2])
    settings = _read_settings(files, pooling)
    with inside(f"{pooling}/config.json"):
        names, width, include_prompt = _pooling_of(settings)
    modules = tuple(ModuleFolder(kind, path, _read_settings(files, path)) for kind, path in folders[2:])
    settings = _transformer_settings(files, transformer)
    with inside(_TRANSFORMER_FILES[0]):
        _check_input(settings)
        max_length, lower_case = _length_of(settings), flag(settings, "do_lower_case", False)
    return Pipeline(names, include_prompt, modules, transformer, width, max_length, lower_case)


def read_transformer(files: ModelFiles, pooling: tuple[str, ...]) -> Pipeline:
    """Return a pipeline of a model's transformer alone, with its length, and pooling of the user's.

    Raises:
        ParameterError: as :func:`read_pipeline`, but for modules that are left out.
    """
    entries = files.read("modules.json", list)
    first = entries[0] if entries and isinstance(entries[0], Mapping) else {}
    kind = str(first.get("type"))
    is_stock = kind.startswith(_HOME) and kind.endswith(".Transformer")
    path = _module_folders([first])[0][1] if is_stock else ""
    settings = _transformer_settings(files, path) if entries else {}
    with inside(_TRANSFORMER_FILES[0]):
        if settings.get("do_lower_case") is True:
            log.warning(
                "encoder: %s lower-cases texts before its tokenizer; a pooling is given, so that is left out, as all "
                "that the folder says but its length",
                files.location,
            )
        return Pipeline(pooling, transformer=path, max_length=_length_of(settings))


def read_prompts(files: ModelFiles) -> Prompts:
    """Return the prompts that a model's folder has; none without a ``modules.json``.

    Raises:
        ParameterError: they are no texts by name, or the default is none of them.
    """
    if files.find("modules.json") is None:
        return Prompts()
    settings = files.read(_SETTINGS, dict) or {}
    with inside(_SETTINGS):
        texts, default = settings.get("prompts") or {}, settings.get("default_prompt_name")
        if not isinstance(texts, Mapping) or not all(isinstance(text, str | None) for text in texts.values()):
            raise ParameterError(f"prompts: {texts!r:.60} given; it must have a text for each name")
        if default is not None and default not in texts:
            raise ParameterError(f"default_prompt_name: {default!r:.60} given; it must be one of {', '.join(texts)}")
    return Prompts({name: text or "" for name, text in texts.items()}, default)


def _check_kind(files: ModelFiles) -> None:
    kind = (files.read(_SETTINGS, dict) or {}).get("model_type", "SentenceTransformer")
    if kind != "SentenceTransformer":
        raise ParameterError(
            f"location: it is a {kind!s:.60} of sentence-transformers, and no SentenceTransformer; to take its "
            "transformer alone, name a pooling, as encoder.pooling=mean"
        )


def _module_folders(entries: Sequence[Any]) -> list[tuple[str, str]]:
    """Return class and folder of each module of a ``modules.json``."""
    if not 1 <= len(entries) <= _MOST_MODULES:
        raise ParameterError(
            f"location: its modules.json has {len(entries)} modules; it must have 1 to {_MOST_MODULES}"
        )
    folders = []
    for entry in entries:
        name, path = (entry.get(key) if isinstance(entry, Mapping) else None for key in ("type", "path"))
        if not isinstance(name, str) or not isinstance(path, str):
            raise ParameterError(
                f"location: its modules.json has the entry {entry!r:.80}; it must have a type and a path"
            )
        kind = name.rpartition(".")[2]
        if not name.startswith(_HOME) or kind not in (*_BASE, *KINDS, _DROPOUT):
            raise _unsupported(name, f"those that are: {', '.join((*_BASE, *KINDS, _DROPOUT))}")
        if PurePosixPath(path).is_absolute() or ".." in PurePosixPath(path).parts or "\\" in path:
            raise ParameterError(f"location: its modules.json has the path {path!r:.80}; it must lie within the folder")
        folders.append((kind, path))
    for kind, _ in folders[2:]:
        if kind in _BASE:
            raise _unsupported(f"a second {kind}", "one is")
    return folders


def _unsupported(what: str, hint: str) -> ParameterError:
    return ParameterError(
        f"location: its modules.json has {what!r:.100}, which is not supported; {hint}; to take its transformer alone, "
        "name a pooling, as encoder.pooling=mean"
    )


def _read_settings(files: ModelFiles, path: str) -> dict[str, Any]:
    return files.read(str(PurePosixPath(path, "config.json")), dict) or {}


def _pooling_of(settings: Mapping[str, Any]) -> tuple[tuple[str, ...], int | None, bool]:
    """Return the poolings, the width of the token states and whether prompts are pooled, of a ``config.json``."""
    widths = ("embedding_dimension", "word_embedding_dimension")
    known = {*widths, "pooling_mode", "include_prompt", *POOLING_FLAGS}
    if unknown := sorted({*map(str, settings)} - known):
        raise ParameterError(f"{unknown[0]}: no such setting is known; {did_you_mean(unknown[0], known)}")
    width = next((settings[key] for key in widths if key in settings), None)
    flagged = [name for key, name in POOLING_FLAGS.items() if settings.get(key)]
    modes = settings.get("pooling_mode", flagged or "mean")
    if not isinstance(modes, str | list):
        raise ParameterError(f"pooling_mode: {modes!r:.60} given; it must be a name, or a list of names")
    return pooling_names(modes), width, flag(settings, "include_prompt", True)


def _transformer_settings(files: ModelFiles, path: str) -> dict[str, Any]:
    found = (files.read(str(PurePosixPath(path, name)), dict) for name in _TRANSFORMER_FILES)
    return next((settings for settings in found if settings), {})


def _check_input(settings: Mapping[str, Any]) -> None:
    """Check that a transformer takes plain text and gives token states, in no way of its own."""
    for key, plain in _PLAIN.items():
        if settings.get(key, plain) != plain:
            raise ParameterError(f"{key}: {settings[key]!r:.60} given; {plain!r} alone is supported")
    for key in filter(settings.get, _OTHER_INPUTS):
        raise ParameterError(f"{key}: {settings[key]!r:.60} given; such settings are not supported")


def _length_of(settings: Mapping[str, Any]) -> int | None:
    length = settings.get("max_seq_length")
    if length is not None and (type(length) is not int or length < 1):
        raise ParameterError(f"max_seq_length: {length!r:.60} given; it must be a whole number above 0, or null")
    return length

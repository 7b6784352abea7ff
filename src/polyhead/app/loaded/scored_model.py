"""Scored model: a run or a bundle as something that can be evaluated, with the settings that its digits depend on."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from polyhead import hardware
from polyhead.app.config.builder import build, plain
from polyhead.app.loaded.trained import load_as_tested
from polyhead.data.samplers import LoaderSettings
from polyhead.data.tokenization import TextTokenizer
from polyhead.deployment.bundle.folder import Bundle
from polyhead.deployment.bundle.manifest import FILE
from polyhead.deployment.bundle.scores import read_scores
from polyhead.errors import UserError
from polyhead.models.multitask import MultiTaskModel
from polyhead.tasks import Task
from polyhead.training.validation_scores import ValidationScores

_READING = (
    "text",
    "columns",
    "encoding",
    "quote",
    "separator",
    "sheet",
    "missing_values",
    "pair",
)  # keys of a run's data that say how files are read
_LOADER = LoaderSettings(batch_size=1, evaluation_batch_size=128, bucket_batches=1, seed=0, workers=0)


@dataclass(frozen=True)
class ScoredModel:
    """A trained model.

    Args:
        model: in evaluation mode; what was frozen in training is frozen.
        tasks: what its heads predict.
        tokenizer: of its encoder, with the limit and the prompt that texts have.
        fits: what validation fitted, by task: a temperature, thresholds, or nothing.
        scores: what validation says of the probabilities, by task; of 0.1.0 there are none.
        precision: as Lightning names it.
        loader: sizes of batches.
        caches_activations: whether those of frozen parts came from the cache.
        reading: how the files were read that it was trained on.
    """

    model: MultiTaskModel
    tasks: tuple[Task, ...]
    tokenizer: TextTokenizer
    fits: Mapping[str, Mapping[str, Any]]
    scores: Mapping[str, ValidationScores]
    precision: str
    loader: LoaderSettings
    caches_activations: bool
    reading: Mapping[str, Any]


def load_scored_model(folder: Path, trust: Collection[str], device: str, precision: str) -> ScoredModel:
    """Load a run or a bundle.

    Args:
        folder: of it.
        trust: packages whose names a run's configuration may build, beside polyhead's own.
        device: accelerator that computes, as Lightning names it.
        precision: as Lightning names it; ``auto`` is that of a run, and for a bundle the best of this machine.

    Raises:
        UserError: neither of them, or one that cannot be loaded.
    """
    if (folder / FILE).is_file():
        return _from_bundle(Bundle.open(folder), hardware.choose_precision(precision, device))
    if (folder / "config.yaml").is_file():
        return _from_run(folder, trust, precision)
    raise UserError(f"model: {str(folder)!r} is neither a finished run nor a bundle; give the folder of one")


def _from_bundle(bundle: Bundle, precision: str) -> ScoredModel:
    entries = bundle.manifest.tasks
    return ScoredModel(
        model=bundle.load_model(),
        tasks=bundle.tasks,
        tokenizer=bundle.load_text_tokenizer(),
        fits={entry.name: entry.fit for entry in entries if entry.fit},
        scores=read_scores(bundle.folder, bundle.tasks),
        precision=precision,
        loader=_LOADER,
        caches_activations=False,
        reading={},
    )


def _from_run(folder: Path, trust: Collection[str], precision: str) -> ScoredModel:
    trained = load_as_tested(folder, trust)
    config = trained.config
    data = plain(config.data)
    return ScoredModel(
        model=trained.model,
        tasks=trained.tasks,
        tokenizer=trained.encoder.load_text_tokenizer(),
        fits=trained.fits,
        scores=trained.scores,
        precision=trained.metrics.precision if precision == "auto" else precision,
        loader=build(config.loader, "loader", LoaderSettings),
        caches_activations=bool(config.get("activation_cache")),
        reading={key: data[key] for key in _READING if key in data},
    )

"""Trained runs, read back: what a configuration describes, with the best weights in it."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from omegaconf import DictConfig

from polyhead.app.config.builder import build, plain, under
from polyhead.app.config.literals import literal
from polyhead.app.config.run_config import read_config
from polyhead.app.config.trust import check_trust
from polyhead.app.loaded.encoder_record import check_encoder, resolve_encoder
from polyhead.app.loaded.trained_run import TrainedRun
from polyhead.errors import UserError, parameters_under
from polyhead.freezing.lora import merge_adapters
from polyhead.freezing.plans import FreezePlan, stage_index
from polyhead.models.encoder import Encoder
from polyhead.models.kept_layers import Layers, compose_layers, keep_layers
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.pretrained import AUTO, PretrainedEncoder
from polyhead.runs.contents import RunMetrics
from polyhead.runs.folder import RunFolder
from polyhead.tasks import make_tasks

Loaded = TypeVar("Loaded")


@dataclass(frozen=True)
class RunEncoder(PretrainedEncoder):
    """The encoder of a finished run, as it was trained: best weights, pooling, modules on top, prompt and length.

    Args:
        run: folder of the run; all else is of the encoder that it started from, or given.
        trust: packages whose names its configuration may build, beside polyhead's own.
        of_run: layers that are kept of the run's own; ``layers`` counts them in the encoder that it started from.
    """

    run: Path = Path()
    trust: tuple[str, ...] = ()
    of_run: Layers = None

    def load(self, draws: bool = True) -> Encoder:
        """Load the encoder with the run's best weights.

        Raises:
            UserError: as :func:`load_trained_run`.
        """
        trained = load_trained_run(self.run, self.trust).model.encoder
        encoder = self._assemble(keep_layers(trained.transformer, self.of_run))
        if self.pipeline.modules:
            encoder.sentence_modules.load_state_dict(trained.sentence_modules.state_dict())
        return encoder.requires_grad_(True).train()


def build_encoder(node: DictConfig, trust: object, around: tuple[Path, ...] = ()) -> PretrainedEncoder:
    """Build the encoder that a configuration describes; its location may be the folder of a run.

    Args:
        node: the section ``encoder``.
        trust: as :func:`check_trust` takes it, for the configuration of such a run.
        around: the runs whose own encoder this is.

    Raises:
        UserError: the section has problems, or the run does not fit it.
    """
    encoder: PretrainedEncoder = build(node, "encoder", PretrainedEncoder)
    folder = Path(encoder.location)
    if not (folder / "config.yaml").is_file() or (folder / "config.json").is_file():
        return encoder
    if folder.resolve() in around:
        raise UserError(
            f"encoder.location: {encoder.location!r} is a run that began with its own encoder; it is damaged"
        )
    if encoder.sha256 is not None:
        raise UserError(f"encoder.sha256: {encoder.location!r} is a run, whose weights have no digest; set it to null")
    allowed = check_trust(trust)
    try:
        RunMetrics.read(RunFolder(folder))
        first = build_encoder(read_config(folder, trust=allowed).encoder, allowed, (*around, folder.resolve()))
    except UserError as error:
        raise UserError(f"encoder.location: {error}") from error
    given = {name: getattr(encoder, name) for name in ("pooling", "max_length", "prompt")}
    chosen = {name: value for name, value in given.items() if value != AUTO}
    depth = int(replace(first, layers=None).load_config().num_hidden_layers) if encoder.layers is not None else 0
    layers = under("encoder", compose_layers)(first.layers, encoder.layers, depth)
    merged = replace(first, long=encoder.long, windows=encoder.windows, layers=layers, **chosen)
    if not encoder.pretrained:
        return replace(merged, pretrained=False)
    start = {item.name: getattr(merged, item.name) for item in fields(PretrainedEncoder)}
    return RunEncoder(**start, run=folder, trust=allowed, of_run=encoder.layers)


def load_trained_run(folder: Path, trust: Collection[str] = (), cache: str | None = None) -> TrainedRun:
    """Read a run back, adapters merged.

    Args:
        folder: of the run.
        trust: packages whose names its configuration may build, beside polyhead's own.
        cache: folder of the tables that its data are read into; None takes the run's own choice.

    Raises:
        UserError: the folder holds no finished run, one that builds what is not trusted, or one whose encoder is not to
            be found any more or whose weights do not fit its configuration.
    """
    trained, _ = _load(folder, trust, cache)
    merge_adapters(trained.model.encoder)
    trained.model.eval().requires_grad_(False)
    return trained


def load_as_tested(folder: Path, trust: Collection[str] = ()) -> TrainedRun:
    """Read a run back with its model as it was when it was tested: adapters apart, and frozen what was frozen.

    Raises:
        UserError: as :func:`load_trained_run`.
    """
    trained, plan = _load(folder, trust, cache=None)
    stages = plan.checked_stages(trained.model)
    stage = stages[stage_index(stages, trained.metrics.best_epoch or 0)]
    stage.freezing.apply(trained.model)
    trained.model.eval()
    return trained


def _load(folder: Path, trust: Collection[str], cache: str | None) -> tuple[TrainedRun, FreezePlan]:
    """Read a run back with its model as it was trained, and the plan by which its parts were frozen."""
    from polyhead.training.checkpoints import best_weights  # Lightning takes seconds to import

    metrics = RunMetrics.read(RunFolder(folder))
    config = read_config(folder, trust=trust)
    if cache is not None and "cache" in config.data:
        config.data.cache = literal(cache)
    encoder = build_encoder(config.encoder, trust, (folder.resolve(),))
    check_encoder(RunFolder(folder), encoder, _in_place(partial(resolve_encoder, encoder), folder))
    tasks = make_tasks(plain(config.tasks))
    plan: FreezePlan = build(config.freeze, "freeze")

    def make_model(base: Encoder) -> MultiTaskModel:
        made: MultiTaskModel = build(config.model, "model", encoder=base, tasks=tasks)
        with parameters_under("freeze"):
            plan.prepare(made)  # adapters have weights of their own
        return made

    with torch.device("meta"):  # before memory is taken for what the configuration claims
        weights = best_weights(folder, make_model(_in_place(encoder.skeleton, folder)))
    model = make_model(_in_place(encoder.load, folder))
    model.load_state_dict(weights)
    return TrainedRun(folder, config, tasks, encoder, model, metrics), plan


def _in_place(load: Callable[[], Loaded], folder: Path) -> Loaded:
    """Load the encoder that a run started from, its skeleton, or what is said of it.

    Raises:
        UserError: it is not to be found; a location relative to a folder is only found from there.
    """
    try:
        with parameters_under("encoder"):
            return load()
    except UserError as error:
        config = folder / "config.yaml"
        raise UserError(
            f"run: the encoder that {str(folder)!r} started from cannot be loaded ({str(error).partition(';')[0]}); "
            f"call the command where the run was started, or set encoder.location in {str(config)!r} to its new place"
        ) from error

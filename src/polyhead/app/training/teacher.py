"""Teacher: a finished run or a bundle whose answers and embedding a student learns, computed once."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from omegaconf import DictConfig, OmegaConf
from torch import Tensor

from polyhead.app.config.builder import build
from polyhead.app.loaded.trained import build_encoder, load_trained_run
from polyhead.app.training.start_point import find_trained
from polyhead.data.datamodule import SentenceData
from polyhead.data.dataset import TokenizedSplit
from polyhead.data.tokenization import TextTokenizer
from polyhead.deployment.bundle.folder import Bundle
from polyhead.deployment.bundle.manifest import FILE
from polyhead.errors import UserError
from polyhead.models.encoder import Encoder
from polyhead.models.multitask import MultiTaskModel
from polyhead.models.pretrained import PretrainedEncoder
from polyhead.objectives.distillation import Distillation
from polyhead.storage.digests import file_digest_once
from polyhead.tasks import Task, of_pairs
from polyhead.tasks.ordinal import Ordinal

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Teacher:
    """A finished run, or a bundle.

    Args:
        folder: of it.
        tasks: of its heads.
        trust: packages whose names its configuration may build, beside polyhead's own.
    """

    folder: Path
    tasks: tuple[Task, ...]
    trust: tuple[str, ...]

    def check(self, tasks: Sequence[Task]) -> None:
        """Check that its heads are those of the tasks that have their names.

        Raises:
            UserError: a task of another kind, or with other classes, one a line; or none of its name; or one about two
                texts.
        """
        if pairs := [task.name for task in of_pairs(tasks)]:
            hint = "and a student learns from one at a time; leave them out"
            raise UserError(f"teacher: tasks about two texts ({', '.join(pairs)}), {hint}")
        known = {task.name: task for task in self.tasks}
        shared = [task for task in tasks if task.name in known]
        problems = [problem for task in shared if (problem := _difference(task, known[task.name], self.folder))]
        if not shared:
            problems = [
                f"teacher: {str(self.folder)!r} has heads for {', '.join(known)}, and none for "
                f"{', '.join(task.name for task in tasks)}; name the tasks as it does"
            ]
        if problems:
            raise UserError("\n".join(problems))

    def noted(self) -> dict[str, str]:
        """Return what a run notes of its teacher: the digest of its weights."""
        is_bundle = (self.folder / FILE).is_file()
        weights = self.folder / FILE if is_bundle else self.folder / "checkpoints" / "best.ckpt"
        return {"teacher": file_digest_once(weights)}

    @cached_property
    def model(self) -> MultiTaskModel:
        """Its encoder and heads, in evaluation mode.

        Raises:
            UserError: they cannot be loaded.
        """
        return self._loaded[0]

    @property
    def encoder(self) -> Encoder:
        """Its encoder."""
        return self.model.encoder

    @property
    def tokenizer(self) -> TextTokenizer:
        """Its own tokenizer, limit and prompt."""
        return self._loaded[1]

    @cached_property
    def _loaded(self) -> tuple[MultiTaskModel, TextTokenizer]:
        if (self.folder / FILE).is_file():
            bundle = Bundle.open(self.folder)
            return bundle.load_model(), bundle.load_text_tokenizer()
        trained = load_trained_run(self.folder, self.trust)
        return trained.model, trained.encoder.load_text_tokenizer()

    def tokenize(self, data: SentenceData, name: str) -> TokenizedSplit:
        """Return the sentences of a split as this model reads them; those that are there where it reads as others."""
        split = data.split(name)
        if self.tokenizer.settings() == data.text_tokenizer.settings():
            return split
        texts = [sentence.text for sentence in data.source.sentences(name)]
        return TokenizedSplit(self.tokenizer.tokenize(texts), self.tokenizer.padding, split.description)

    def answers(self, embeddings: Tensor, tasks: Sequence[Task]) -> dict[str, Tensor]:
        """Return the logits of its heads (N, W) for its embeddings (N, H), as heads of the tasks would give them."""
        known = {task.name: task for task in self.tasks}
        with torch.no_grad():
            logits = self.model.classify(embeddings)
        found = {}
        for task in tasks:
            if task.name in known:
                theirs = known[task.name]
                moved = task.kind.from_teacher(theirs.kind, logits[task.name])
                found[task.name] = moved if task.labels == theirs.labels else moved[:, _order(task, theirs)]
        return found


def compose_teacher(config: DictConfig, tasks: Sequence[Task]) -> dict[str, Any]:
    """Return the ``teacher`` of a run and what learns from it, ``distillation``; both None without a teacher.

    Raises:
        UserError: it is neither a finished run nor a bundle, or its heads are not those of the tasks.
    """
    found = find_trained(config, "teacher")
    if found is None:
        return {"teacher": None, "distillation": None}
    folder, theirs, trust = found
    teacher = Teacher(folder, tuple(theirs), trust)
    teacher.check(tasks)
    return {"teacher": teacher, "distillation": build(config.distillation, "distillation", Distillation, tasks=tasks)}


def check_distillation(config: DictConfig, overrides: Sequence[str] = ()) -> None:
    """Check that nothing is asked for that only a teacher gives.

    Args:
        config: of a run.
        overrides: that made it.

    Raises:
        UserError: it is, and there is no teacher.
    """
    if "teacher" in config and (OmegaConf.is_missing(config, "teacher") or config.teacher is not None):
        return
    given = [override for override in overrides if override.lstrip("+~").startswith("distillation")]
    if given:
        raise UserError(f"{given[0]}: without effect but with a teacher; give teacher=RUN, or leave it out")
    if _is_of_teacher(config.encoder):
        raise UserError("encoder: that of the teacher, and there is none; give teacher=RUN, or another encoder")
    if isinstance(config.data, DictConfig) and config.data.get("unlabelled"):
        raise UserError(
            "data.unlabelled: without effect but with a teacher, since nothing else learns from sentences without "
            "labels; give teacher=RUN, or leave it out"
        )


def build_student(config: DictConfig) -> PretrainedEncoder:
    """Build the encoder of a run; where that is its teacher's, the teacher is what cannot be found.

    Raises:
        UserError: the encoder cannot be built, or is that of no teacher.
    """
    if "teacher" in config and isinstance(config.teacher, str) and config.encoder.get("location") == config.teacher:
        find_trained(config, "teacher")
    return build_encoder(config.encoder, config.get("trust", []))


def _is_of_teacher(encoder: object) -> bool:
    """Return whether an encoder is where the teacher is, and there is none."""
    if not isinstance(encoder, DictConfig) or OmegaConf.is_missing(encoder, "location"):
        return False
    return "location" in encoder and encoder.location is None


def to_width(embeddings: Tensor, width: int) -> Tensor:
    """Return embeddings (N, H) with another width (N, W): a student can be held to these.

    A smaller width takes the projection that keeps the most of all inner products, on the first principal directions
    (not centered, so that cosines stay near what they were); a larger one adds zeros, and keeps them all.
    """
    rows, present = embeddings.shape
    if width == present:
        return embeddings
    if width > present:
        return torch.cat([embeddings, embeddings.new_zeros(rows, width - present)], dim=1)
    moments = embeddings.double().T @ embeddings.double()  # (H, H)
    directions = torch.linalg.eigh(moments).eigenvectors[:, -width:].flip(1)  # (H, W), the largest first
    projected: Tensor = embeddings.double() @ directions
    return projected.float()


def _order(task: Task, theirs: Task) -> Tensor:
    return torch.tensor([theirs.labels.index(label) for label in task.labels])


def _difference(task: Task, theirs: Task, folder: Path) -> str | None:
    """Say why a head cannot learn from that of a teacher; None where it can."""
    head = f"the head of {str(folder)!r}"
    if task.kind.name != theirs.kind.name:
        return f"tasks.{task.name}: it is {task.kind.name}, and {head} is {theirs.kind.name}; call the task otherwise"
    ordered = task.kind.name == Ordinal.name
    ours = list(task.labels) if ordered else sorted(task.labels)
    if ours != (list(theirs.labels) if ordered else sorted(theirs.labels)):
        return (
            f"tasks.{task.name}: its classes are {', '.join(task.labels)}, and those of {head} "
            f"{', '.join(theirs.labels)}; name the same in tasks.{task.name}=[...]"
        )
    return None

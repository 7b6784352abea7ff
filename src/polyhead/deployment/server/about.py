"""About: which model is served, within which limits, and sentences to try it with. Knows nothing about HTTP."""

from collections.abc import Sequence

from polyhead.deployment.bundle.neighbors import Neighbors
from polyhead.deployment.predictor import Predictor
from polyhead.deployment.server.limits import Limits
from polyhead.deployment.server.schemas import About, AboutTask
from polyhead.tasks import Task, of_pairs

_EXAMPLES = ("What a lovely day!", "The parcel came late, and the box was broken.", "Shares fell on Monday.")
_SHOWN = 3  # stored sentences among the examples


def about(
    predictor: Predictor, limits: Limits, name: str, stored: Neighbors | None, examples: Sequence[str] | None
) -> About:
    """Describe a model that is served.

    Args:
        predictor: of the model.
        limits: how much clients may ask for.
        name: of the model.
        stored: sentences of which the nearest are shown.
        examples: sentences to try the model with; None takes some that are stored, or else three of ours.
    """
    kept = [] if stored is None else stored.sentences
    bundle = predictor.bundle
    return About(
        name=name,
        version=bundle.version,
        made_with=dict(bundle.manifest.made_with),
        tasks=[_about_task(task) for task in predictor.tasks],
        limits=allowed_by(limits, predictor),
        examples=list(_spread(kept) if examples is None else examples),
        pairs=[task.name for task in of_pairs(predictor.tasks)],
        sentences=len(kept),
    )


def _about_task(task: Task) -> AboutTask:
    calibrated = task.kind.fits == "temperature"
    return AboutTask(name=task.name, kind=task.kind.name, labels=list(task.labels), calibrated=calibrated)


def allowed_by(limits: Limits, predictor: Predictor) -> dict[str, float]:
    """Return the limits of the server, and those of the model: its windows of a text, and the tokens of each."""
    manifest = predictor.bundle.manifest
    return {**vars(limits), "tokens": manifest.max_length, "windows": manifest.windows}


def _spread(stored: Sequence[str]) -> Sequence[str]:
    """Return some of the sentences, from all over their list."""
    return stored[:: -(-len(stored) // _SHOWN)] if stored else _EXAMPLES

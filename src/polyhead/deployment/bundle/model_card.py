"""Model card: the ``README.md`` of a bundle. Knows nothing about its files but the manifest."""

from collections.abc import Collection, Sequence

from polyhead.deployment.bundle.card_data import Rights, card_data
from polyhead.deployment.bundle.manifest import Manifest, TaskEntry
from polyhead.storage.markdown import markdown_table
from polyhead.tasks import SingleLabel

_TEMPLATE = """---
{data}---

# {name}

A sentence encoder with {heads}, all computed in one pass, trained with Polyhead{distilled}.

{table}

Measured on the test split of its training data; other text can give other figures. {calibrated}
Texts are cut to {limit}{prompt}; from token states to the embedding: {pooling}.

## Use

With Polyhead, labels, probabilities and embeddings:

```python
from polyhead import Predictor

for prediction in Predictor.load("FOLDER").predict(["A sentence.", "Another one?"]):
    print(prediction.labels, prediction.probabilities)
```
{promises}
Embeddings alone, with sentence-transformers and without Polyhead:

```python
from sentence_transformers import SentenceTransformer

embeddings = SentenceTransformer("FOLDER").encode(["A sentence.", "Another one?"])
```
{windows}{dimensions}
`heads.safetensors` holds `TASK.weight` (classes, width) and `TASK.bias`: logits are `embeddings @ weight.T + bias`.
`tasks.json` names the classes in the order of the logits.
{kinds}{pairs}{graph}
## Made with

{made_with}
"""

_PROMISES = """
`scores.json` keeps what validation says of the probabilities of {tasks}. From it
`predictor.select(coverage=0.9)` makes sets of labels that hold the true one 9 times in 10, and
`predictor.select(accuracy=0.95)` abstains where the model is not sure enough, for texts like those of validation.
"""

_KINDS = """
Of the logits, `number` is one, in spreads from the mean (`settings` in `tasks.json`); `multi_label` has one per label,
whose sigmoid is compared with `thresholds`; `ordinal` has one per step from a class to the next, whose sigmoids
multiply to the probability of being beyond the step.
"""

_PAIRS = """
{tasks} are about two texts: `predictor.predict(["A sentence."], ["Another one?"])`. With embeddings u and v of the two,
the answer of `similarity` and `contrastive` is their cosine, and the head of `entailment` is given (u, v, |u - v|).
"""

_GRAPH = """`onnx/model.onnx` maps `input_ids` and `attention_mask` to `sentence_embedding`, to `TASK_logits` of every
task about one text, and to `last_hidden_state`, which `SentenceTransformer(..., backend="onnx")` pools.
"""

_DIMENSIONS = """
The first {sizes} units are an embedding, too, for which the heads were trained:
`Predictor.load("FOLDER", dimensions={one})`, or
`SentenceTransformer("FOLDER", truncate_dim={one}).encode(texts{normalize})`.
"""

_WINDOWS = """
sentence-transformers cuts texts to {max_length} tokens: of longer ones it gives other embeddings than Polyhead does.
"""


DISTILLED = "distilled from"
"""What ``made_with`` calls the teacher of a student."""


def model_card(
    name: str,
    manifest: Manifest,
    pooling: str,
    prompt: str,
    graph: bool,
    scored: Collection[str] = (),
    rights: Rights | None = None,
) -> str:
    """Return the text of the card.

    Args:
        name: of the bundle.
        manifest: its tasks and metrics.
        pooling: in words, how token states become an embedding.
        prompt: what stands before each text; empty for nothing.
        graph: whether an ONNX graph lies in the bundle.
        scored: tasks of which scores lie in it.
        rights: what its author says of license and data; None says nothing.
    """
    columns = sorted({metric for entry in manifest.tasks for metric in entry.metrics})
    count = sum(entry.task.kind.has_head for entry in manifest.tasks)
    return _TEMPLATE.format(
        data=card_data(name, manifest, rights or Rights()),
        name=name,
        heads=f"{count} linear {_what(manifest)}head" + "s" * (count != 1),
        distilled=_distilled(manifest),
        table=markdown_table(["task", "classes", *columns], [_row(entry, columns) for entry in manifest.tasks]),
        calibrated=_calibrated(manifest),
        limit=_limit(manifest),
        promises=_PROMISES.format(tasks=", ".join(scored)) if scored else "",
        pooling=pooling,
        prompt=f", those of the prompt `{prompt}` before each text included" if prompt else "",
        windows="" if manifest.windows == 1 else _WINDOWS.format(max_length=manifest.max_length),
        dimensions=_dimensions(manifest, pooling),
        kinds="" if _what(manifest) else _KINDS,
        pairs=_pairs(manifest),
        graph=_GRAPH if graph else "",
        made_with="\n".join(f"- {key}: {value}" for key, value in manifest.made_with.items()),
    )


def _dimensions(manifest: Manifest, pooling: str) -> str:
    if not manifest.dimensions:
        return ""
    normalize = ", normalize_embeddings=True" if pooling.endswith("Normalize()") else ""
    sizes = list(manifest.dimensions)
    return _DIMENSIONS.format(sizes=", ".join(sizes), one=sizes[-1], normalize=normalize)


def _distilled(manifest: Manifest) -> str:
    teacher = manifest.made_with.get(DISTILLED)
    return "" if teacher is None else f": distilled from `{teacher}`, whose answers and embedding it learned"


def _what(manifest: Manifest) -> str:
    return "classification " if all(entry.kind == SingleLabel.name for entry in manifest.tasks) else ""


def _pairs(manifest: Manifest) -> str:
    names = [entry.name for entry in manifest.tasks if entry.task.kind.is_pair]
    return _PAIRS.format(tasks=", ".join(names)) if names else ""


def _calibrated(manifest: Manifest) -> str:
    fitted = [entry.name for entry in manifest.tasks if entry.temperature is not None]
    classes = [entry for entry in manifest.tasks if entry.kind == SingleLabel.name]
    others = [entry.name for entry in classes if entry.temperature is None]
    lines = [f"Probabilities are calibrated for {', '.join(fitted)}."] if fitted else []
    if others:
        lines.append(f"Those of {', '.join(others)} are not calibrated: there was no validation split.")
    return " ".join(lines)


def _limit(manifest: Manifest) -> str:
    tokens = f"{manifest.max_length} tokens"
    if manifest.windows == 1:
        return tokens
    return f"{manifest.windows} overlapping windows of {tokens}, whose embeddings are averaged"


def _row(entry: TaskEntry, columns: Sequence[str]) -> list[str]:
    """Return a row of the table of tasks; a cell without a figure stays empty."""
    figures = [f"{entry.metrics[metric]:.3f}" if metric in entry.metrics else "" for metric in columns]
    kind = "" if entry.kind == SingleLabel.name else f"{entry.kind}: " * bool(entry.labels) or entry.kind
    return [entry.name, kind + ", ".join(entry.labels), *figures]

"""Predictor: texts -> labels, probabilities and embeddings, from a bundle. Knows nothing about files or serving.

Shapes: N texts, H hidden units, C classes of a task.
"""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NoReturn, Self

import numpy as np

from polyhead.deployment.backends import Backend, open_backend
from polyhead.deployment.bundle.folder import Bundle
from polyhead.deployment.bundle.scores import read_scores
from polyhead.deployment.nested_backend import NestedBackend, nested_bundle
from polyhead.deployment.pair_heads import PairHeads
from polyhead.deployment.predictions import Floats, Predictions
from polyhead.deployment.selection import Selection, Wanted
from polyhead.deployment.window_outputs import WindowOutputs
from polyhead.errors import ParameterError, UserError, check_parameters
from polyhead.inference.text_runner import TextRunner, check_list
from polyhead.tasks import of_one_text


class Predictor:
    """Predicts all tasks of a bundle in one pass.

    Use :meth:`load` to make one from a folder::

        predictor = Predictor.load("bundle")
        for prediction in predictor.predict(["What a lovely day", "Shares fell on Monday"]):
            print(prediction.labels, prediction.embedding.shape)

    Args:
        bundle: names the tasks and holds the tokenizer.
        backend: computes embeddings and logits.

    Raises:
        UserError: the backend's graph does not fit the bundle's tasks, or the tokenizer or the scores cannot be read.
    """

    def __init__(self, bundle: Bundle, backend: Backend) -> None:
        self.bundle = bundle
        self.tasks = bundle.tasks
        self.fits = {entry.name: entry.fit for entry in bundle.manifest.tasks}
        self.one_text_tasks = of_one_text(self.tasks)
        self.hidden_size = backend.width - sum(task.width for task in self.one_text_tasks)
        if self.hidden_size < 1:
            raise UserError(f"{str(bundle.folder)!r}: its graph does not fit its tasks.json; export the bundle again")
        whole = backend.whole if isinstance(backend, NestedBackend) else self.hidden_size
        self.pair_heads = PairHeads.read(bundle.folder, self.tasks, whole, self.hidden_size)
        self.is_cut = self.hidden_size < whole
        self.scores = {} if self.is_cut else read_scores(bundle.folder, self.tasks)  # of the whole embedding
        tokenizer = bundle.load_text_tokenizer()
        pool = None
        if tokenizer.windows > 1:
            pool = WindowOutputs.read(bundle.folder, self.tasks, self.hidden_size, bundle.is_normalized)
        self.runner = TextRunner(tokenizer, backend.width, backend, backend.streams, pool, backend.device)

    @classmethod
    def load(
        cls,
        folder: str | Path,
        backend: str = "torch",
        precision: str = "auto",
        device: str = "auto",
        *,
        dimensions: int | None = None,
    ) -> Self:
        """Load a bundle that ``scripts/export.py`` wrote, of this or an older version of Polyhead.

        Args:
            folder: of the bundle.
            backend: ``torch``, ``onnx``, ``onnx-int8`` or ``openvino``; all but the first need a graph in the bundle.
            precision: ``auto`` takes bf16 where the processor multiplies it natively; or ``32-true``, ``bf16-true``.
            device: where torch computes: ``auto``, ``cpu``, ``gpu``, ``cuda`` or ``mps``.
            dimensions: first units of the embedding to use, one of the widths that the model was trained for.

        Raises:
            ParameterError: an unknown backend, precision or device, or one that is not present.
            UserError: no bundle, an altered one, one of a newer format, a library that is not installed, or a width
                that the model was not trained for.
        """
        bundle = Bundle.open(folder)
        opened = open_backend(bundle, backend, precision, device)
        if dimensions is None:
            return cls(bundle, opened)
        return cls(nested_bundle(bundle, dimensions), NestedBackend(opened, bundle, dimensions))

    def __reduce__(self) -> NoReturn:
        """Refuse to be copied or sent to another process: the layers are packed for this one.

        Raises:
            TypeError: always.
        """
        raise TypeError(
            f"a predictor cannot be pickled or copied; load it where it computes: {type(self).__name__}.load"
        )

    def select(self, coverage: Wanted = None, accuracy: Wanted = None) -> Selection:
        """Return which labels to give, so that a wanted coverage or accuracy is kept::

            predictions = predictor.predict(texts)
            sets = predictor.select(coverage=0.9).label_sets(task, predictions.probabilities[task.name])

        Args:
            coverage: how often the set of labels of a text shall hold the true one; by task, or one for all.
            accuracy: how often an answer shall be right; by task, or one for all.

        Raises:
            ParameterError: a value that is not above 0 and below 1.
            UserError: both are wanted, a task that there is not, a bundle without the scores of validation, fewer
                units than the whole embedding has, or a promise that validation does not allow.
        """
        if self.is_cut and (coverage is not None or accuracy is not None):
            raise UserError("dimensions: coverage and accuracy are promised of the whole embedding alone; leave it out")
        return Selection.fit(self.scores, self.tasks, coverage, accuracy)

    @property
    def truncated(self) -> int:
        """The number of texts that were cut to the length limit so far."""
        return self.runner.truncated

    def predict(self, texts: Sequence[str], seconds: Sequence[str | None] | None = None) -> Predictions:
        """Predict any number of texts, in the order given::

            predictor.predict(["A man eats.", "A plane lands."], ["Someone has lunch.", None]).labels("similarity")

        Args:
            texts: any number of them.
            seconds: the second text of each, for tasks about two, or None in its place; without, these tasks are left
                out.

        Raises:
            ParameterError: one text or anything else in place of a list, or second texts that do not go with the texts.
            UserError: an entry of the list that is no text.
        """
        check_list(texts)
        predictions = self._predictions(self._run(texts))
        if seconds is None:
            return predictions
        self.check_seconds(seconds, len(texts))
        rows = np.flatnonzero([text is not None for text in seconds])
        second = self._run([text for text in seconds if text is not None])[:, : self.hidden_size]
        first = predictions.embeddings[rows]
        logits = self.pair_heads.logits(first, second)
        pairs = Predictions.of_logits(self.pair_heads.tasks, first, logits, self.fits)
        return predictions.with_pairs(rows, pairs)

    def _run(self, texts: Sequence[str]) -> Floats:
        """Return the outputs of the backend (N, H + W of all tasks about one text)."""
        nothing = np.zeros((0, self.runner.width), dtype=np.float32)
        return np.concatenate([nothing, *self.runner.run(texts)])

    def check_seconds(self, seconds: Sequence[str | None], count: int) -> None:
        """Check that second texts go with ``count`` texts.

        Raises:
            ParameterError: they do not, or no task is about two texts.
        """
        check_list(seconds, "seconds")
        if not self.pair_heads.tasks:
            raise ParameterError("seconds: given, and no task of the model is about two texts; leave them out")
        if len(seconds) != count:
            raise ParameterError(f"seconds: {len(seconds)} given for {count} texts; give one for each, or None")

    def stream(self, texts: Iterable[str], chunk: int | None = None) -> Iterator[Predictions]:
        """Predict one chunk of texts after the other, in memory that does not grow with their number.

        Tasks about two texts are left out.

        Args:
            texts: any number of them.
            chunk: texts per chunk; None takes as many as compute well together.

        Raises:
            ParameterError: one text or anything else in place of many, or a chunk below 1.
            UserError: an entry that is no text; it is raised once the entry's chunk is asked for.
        """
        check_list(texts)
        check_parameters(("chunk", chunk, chunk is None or chunk >= 1, "1 or more, or None"))
        return map(self._predictions, self.runner.run(texts, chunk))

    def _predictions(self, outputs: Floats) -> Predictions:
        """Split the backend's outputs (N, H + W of all tasks) into embeddings and answers."""
        return Predictions.of_outputs(self.one_text_tasks, outputs, self.fits)

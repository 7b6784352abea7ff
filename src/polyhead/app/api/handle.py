"""Handle: a finished run in a Python program: its metrics, and what its model says. Imports nothing heavy by itself."""

from collections.abc import Sequence
from functools import cached_property
from html import escape
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from polyhead.errors import UserError
from polyhead.runs.contents import Provenance, RunMetrics
from polyhead.runs.folder import RunFolder

if TYPE_CHECKING:
    from polyhead.app.api.predictor import Predictor
    from polyhead.deployment.predictions import Floats, Predictions
    from polyhead.runs.evaluation import EvaluationMetrics


class Run:
    """A finished run: what :func:`polyhead.fit` returns, or ``Run("runs/NAME")``.

    Args:
        folder: of the run.
        trust: packages whose names its configuration may build, beside polyhead's own.

    Raises:
        UserError: there is no such folder.
    """

    def __init__(self, folder: str | Path, trust: Sequence[str] = ()) -> None:
        self.folder = Path(folder)
        self.trust = tuple(trust)
        if not self.folder.is_dir():
            raise UserError(f"run: no folder {str(folder)!r}; give the folder of a finished run")

    @cached_property
    def metrics(self) -> RunMetrics:
        """What the run measured: ``metrics.test["sentiment"]["macro_f1"]``.

        Raises:
            UserError: the run is not finished, or the folder holds the runs of folds.
        """
        if (self.folder / "fold=0").is_dir() and not (self.folder / "config.yaml").exists():
            folder = str(self.folder)
            raise UserError(f"run: {folder!r} holds the runs of data.folds; give one of them, {folder}/fold=0")
        return RunMetrics.read(RunFolder(self.folder))

    @property
    def command(self) -> list[str]:
        """The words of the command that makes the run again."""
        noted = Provenance.read(RunFolder(self.folder))
        return list(noted.command)

    @cached_property
    def predictor(self) -> "Predictor":
        """The model for texts, loaded once."""
        from polyhead.app.api.predictor import Predictor

        return Predictor.load(self.folder, trust=self.trust)

    def predict(self, texts: Sequence[str], seconds: Sequence[str | None] | None = None) -> "Predictions":
        """Predict all tasks for texts, in their order; ``to_frame()`` of the result is a table.

        Args:
            texts: any number of them.
            seconds: the second text of each, for tasks about two; None leaves these tasks out.

        Raises:
            UserError: as :meth:`polyhead.Predictor.predict`, or the run cannot be read.
        """
        return self.predictor.predict(texts, seconds)

    def encode(self, texts: Sequence[str], normalize: bool = False) -> "Floats":
        """Return the embeddings of texts (N, H).

        Args:
            texts: N.
            normalize: give each length 1, so that a dot product is a cosine.
        """
        import numpy as np

        embeddings = self.predict(texts).embeddings
        if normalize:
            embeddings /= np.maximum(np.linalg.norm(embeddings, axis=1, keepdims=True), 1e-12)
        return embeddings

    def evaluate(self, sentences: Any, output: str | Path | None = None, **options: Any) -> "EvaluationMetrics":
        """Score the model on labelled sentences that came later, as training scored its test set.

        Args:
            sentences: as :func:`polyhead.fit` takes them, with the columns that training read.
            output: folder for metrics, mistakes and confusion matrices; None keeps none.
            options: keys of ``polyhead evaluate``, such as ``coverage=0.9``.

        Raises:
            UserError: the sentences do not fit the model, or an option is unknown.
        """
        from polyhead.app.api.later_evaluation import evaluate

        with TemporaryDirectory(prefix="polyhead-") as place:
            return evaluate(self.folder, self.trust, sentences, Path(place), output, options)

    def export(self, output: str | Path, overwrite: bool = False, **options: Any) -> Path:
        """Write the model as a bundle, and return its folder.

        Args:
            output: folder of the bundle.
            overwrite: replace a bundle that is there.
            options: keys of ``polyhead export``, such as ``graph="onnx"``.

        Raises:
            UserError: the run is not finished, an option is unknown, or the folder cannot be written.
        """
        from polyhead.app.jobs.export import export_run

        return export_run(self.folder, Path(output), self.trust, overwrite=overwrite, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        """Go to another process as the folder; what was read from it is read there again."""
        return type(self), (self.folder, self.trust)

    def __repr__(self) -> str:
        return f"Run({str(self.folder)!r})"

    def _repr_html_(self) -> str:
        """Return the metrics as a table for notebooks."""
        try:
            titles, rows = self._table()
        except UserError as error:
            return f"<p>{escape(repr(self))}: {escape(str(error))}</p>"
        head = "".join(f"<th>{escape(title)}</th>" for title in titles)
        body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
        link = f'<a href="{escape(self.folder.absolute().as_uri())}">{escape(str(self.folder))}</a>'
        compare = f"polyhead.compare([{str(self.folder)!r}])"
        return (
            f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
            f"<p>{link}; its report: <code>{escape(compare)}</code></p>"
        )

    def _table(self) -> tuple[list[str], list[list[str]]]:
        """Return the titles and the rows of the table of metrics, as the terminal has them."""
        from polyhead.runs.summary import ShownScores

        splits = {"validation": self.metrics.validation, **self.metrics.test_sets}
        scores = ShownScores([results[task] for results in splits.values() for task in results])
        tasks = dict.fromkeys(task for results in splits.values() for task in results)
        rows = [
            [task, split, *scores.cells(results[task])]
            for task in tasks
            for split, results in splits.items()
            if task in results  # else no sentence of the split has a label for it
        ]
        return ["task", "split", *scores.titles], rows

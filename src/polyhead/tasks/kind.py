"""Kind: the questions that each kind of task answers, one file a kind. Knows nothing about models or files.

Shapes: N sentences, B sentences of a batch, H units of an embedding, F features, C classes, W logits of a head,
V distinct cells, K columns of groups.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Self

from polyhead.errors import UserError

if TYPE_CHECKING:  # a command that reads a configuration alone needs neither
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor
    from torchmetrics import Metric

Labels = tuple[str, ...]
"""Class names of a task; none where it has no classes."""


@dataclass(frozen=True)
class Kind:
    """What depends on the kind of a task. Its fields are the options of a task of that kind, with their defaults.

    Attributes:
        name: as a configuration spells it.
        headline: the metric by which models are chosen and compared, higher is better, at most 1.
        scores: metrics that a table shows -> their titles.
        measures: all metrics that are one number, beside the loss; of a kind with classes there is F1 by class, too.
        fit_measures: those of what validation fits.
        has_classes: whether a task has class names.
        in_nats: whether the loss is minus the logarithm of a probability.
        one_class: whether each sentence is of one class out of several, so that there is a confusion matrix.
        weighs_classes: whether label smoothing, class weights and focus change its loss.
        fits: what validation fits: ``temperature``, ``thresholds``, or nothing.
        any_cell: whether a cell may be a fraction, or a list.
        dtype: of the targets, int32 or float32.
        figure: in a report beside its scores: ``scatter`` of numbers, ``bars`` of labels, or none.
        is_pair: whether it is about two texts, see :meth:`features`.
        has_head: whether there is a head; else the features are its logits.
        takes_each_pair: whether every pair has a label where the data have no column of labels.
        is_judged_whole: whether answers are judged among those for all rows of a split, see :meth:`judged`.
        distills: whether a head can learn the logits of another, by :meth:`soft_losses`.
    """

    name: ClassVar[str]
    headline: ClassVar[str]
    scores: ClassVar[Mapping[str, str]]
    measures: ClassVar[tuple[str, ...]]
    fit_measures: ClassVar[tuple[str, ...]] = ()
    has_classes: ClassVar[bool] = True
    in_nats: ClassVar[bool] = True
    one_class: ClassVar[bool] = False
    weighs_classes: ClassVar[bool] = False
    fits: ClassVar[str] = ""
    any_cell: ClassVar[bool] = False
    dtype: ClassVar[str] = "int32"
    figure: ClassVar[str] = ""
    is_pair: ClassVar[bool] = False
    has_head: ClassVar[bool] = True
    takes_each_pair: ClassVar[bool] = False
    is_judged_whole: ClassVar[bool] = False
    distills: ClassVar[bool] = False

    @property
    def quadratic(self) -> bool:
        """Whether the loss is the squared error of one logit, whose minimum has a closed form."""
        return False

    # The data: cells -> targets.

    def check_labels(self, task: str, labels: Labels) -> None:
        """Check the class names of a task.

        Raises:
            UserError: they are none for this kind.
        """
        raise NotImplementedError

    def find(self, task: str, cells: Sequence[str]) -> Sequence[str]:
        """Return the class names of a task, by the distinct cells of its training sentences.

        Args:
            task: its name.
            cells: numbers in their order, else in alphabetical order.

        Raises:
            UserError: the cells do not tell the class names.
        """
        raise NotImplementedError

    def read(self, labels: Labels, cell: str) -> Any:
        """Return the target that a cell stands for: a class index, a number, or a 0 or 1 for each class.

        Raises:
            UserError: it stands for none; the message says why, without the name of the task.
        """
        raise NotImplementedError

    def targets(self, labels: Labels, cells: Sequence[str | None]) -> "NDArray[Any]":
        """Return the targets of cells (N,) or (N, C), missing where a cell is None.

        Raises:
            UserError: as :meth:`read`.
        """
        import numpy as np

        missing = self.missing(labels)
        known: dict[str | None, Any] = {None: missing}
        for cell in cells:
            if cell not in known and cell is not None:
                known[cell] = self.read(labels, cell)
        shape = (len(cells), *np.shape(missing))
        return np.asarray([known[cell] for cell in cells], dtype=self.dtype).reshape(shape)

    def missing(self, labels: Labels) -> Any:
        """Return the target of a sentence without a label."""
        raise NotImplementedError

    def groups(self, labels: Labels, cells: Sequence[str]) -> "NDArray[np.int64]":
        """Return by which groups sentences are held out evenly: columns (V, K) of numbers from 0 for distinct cells."""
        import numpy as np

        return np.arange(len(cells), dtype=np.int64)[:, None]

    @property
    def is_fitted(self) -> bool:
        """Whether it has all that it takes from the training cells."""
        return True

    def fitted(self, labels: Labels, cells: Iterable[str | None]) -> Self:
        """Return the kind with what it takes from the training cells of a task.

        Raises:
            UserError: they do not give it; the message says why, without the name of the task.
        """
        return self

    # The head.

    def features(self, first: "Tensor", second: "Tensor") -> "Tensor":
        """Return what the head is given (B, F): of a single sentence its embedding.

        Both are embeddings (B, H), those of second texts 0 where a row has none.
        """
        return first

    def feature_size(self, embedding_size: int) -> int:
        """Return F for embeddings of H units."""
        return embedding_size

    def width(self, labels: Labels) -> int:
        """Return how many logits W the head has."""
        raise NotImplementedError

    def row_losses(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Return the loss of each row (B,) for logits (B, W), 0 without a target; convex in the logits."""
        raise NotImplementedError

    def summed_loss(self, logits: "Tensor", targets: "Tensor") -> "Tensor":
        """Return the sum of the losses of the rows ()."""
        return self.row_losses(logits, targets).sum()

    def soft_losses(self, logits: "Tensor", answers: "Tensor", temperature: float) -> "Tensor":
        """Return how far logits (B, W) are from those of a teacher (B, W) in each row (B,), 0 where they say the same.

        Where they are those of probabilities, both are divided by the temperature, and the divergence of the two
        distributions is multiplied by its square, so that its gradient keeps its size (Hinton et al. 2015, arXiv
        1503.02531).
        """
        raise NotImplementedError

    def from_teacher(self, teacher: Self, logits: "Tensor") -> "Tensor":
        """Return the logits (B, W) of a teacher's head as those that this kind would have; the classes are the same."""
        return logits

    # The scores.

    def metrics(self, labels: Labels) -> "dict[str, Metric]":
        """Make the metrics, which take :meth:`estimates` and targets of the rows with a label."""
        raise NotImplementedError

    def estimates(self, logits: "Tensor") -> "Tensor":
        """Return what the metrics take for logits (B, W)."""
        raise NotImplementedError

    def results(self, labels: Labels, values: dict[str, Any]) -> dict[str, Any]:
        """Return the computed metrics, as plain values, under the names that results have for them."""
        return values

    # The answers, in numpy: a predictor has no more.

    def outputs(self, logits: "NDArray[Any]", fit: Mapping[str, Any]) -> "NDArray[Any]":
        """Return probabilities (N, C) for logits (N, W), or numbers (N,) where there are no classes.

        Args:
            logits: of a head.
            fit: what validation fitted: ``{"temperature": 1.5}``; nothing where there was no validation.
        """
        raise NotImplementedError

    def codes(self, outputs: "NDArray[Any]", fit: Mapping[str, Any]) -> "NDArray[Any]":
        """Return the answers as arrays: class indices (N,), numbers (N,), or a 0 or 1 for each class (N, C)."""
        raise NotImplementedError

    def score(self, targets: "NDArray[Any]", codes: "NDArray[Any]") -> float:
        """Return the headline score of answers, none of whose targets is missing.

        Args:
            targets: in the unit of the data, as :meth:`restore` gives them.
            codes: as :meth:`codes` gives them.
        """
        raise NotImplementedError

    def judged(self, logits: "NDArray[Any]", targets: "NDArray[Any]") -> "NDArray[Any]":
        """Return what :meth:`score` takes for answers (N,) to all rows of a split (N, W), judged among each other."""
        raise NotImplementedError

    def restore(self, targets: "NDArray[Any]") -> "NDArray[Any]":
        """Return targets (N,) or (N, C) as :meth:`codes` has answers: in the unit of the data."""
        return targets

    def answers(self, labels: Labels, codes: "NDArray[Any]") -> list[Any]:
        """Return the answers as a person reads them: class names, numbers, or lists of class names (N)."""
        raise NotImplementedError

    # The configuration and the manifest.

    @property
    def settings(self) -> dict[str, Any]:
        """Return the options by name, as a configuration and a manifest keep them."""
        return asdict(self)

    def check_settings(self, task: str) -> None:
        """Check the values of the options, which may come from a file of somebody else's.

        Raises:
            UserError: one of them is not allowed.
        """

    def check_fit(self, labels: Labels, fit: Mapping[str, Any]) -> None:
        """Check what validation is said to have fitted, which may come from a file of somebody else's.

        Raises:
            UserError: a value that no validation gives.
        """
        if set(fit) - {self.fits}:
            raise UserError(f"{', '.join(sorted(set(fit) - {self.fits}))}: nothing that {self.name} fits")

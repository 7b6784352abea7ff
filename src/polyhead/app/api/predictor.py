"""Predictor: that of a bundle, or of a run, which is made a bundle for it. Imports nothing heavy before it is asked."""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Self

from polyhead.app.jobs.hub import fetch, is_repository
from polyhead.deployment.bundle.manifest import FILE
from polyhead.deployment.predictor import Predictor as BundlePredictor
from polyhead.errors import ParameterError


class Predictor(BundlePredictor):
    """Predicts all tasks of a bundle or a run in one pass; see :class:`polyhead.deployment.Predictor`."""

    @classmethod
    def load(
        cls,
        folder: str | Path,
        backend: str = "torch",
        precision: str = "auto",
        device: str = "auto",
        trust: Sequence[str] = (),
        *,
        dimensions: int | None = None,
    ) -> Self:
        """Load a bundle that ``polyhead export`` wrote, or a finished run.

        Args:
            folder: of it, or ``owner/name`` of a bundle on the hub.
            backend: ``torch``, ``onnx``, ``onnx-int8`` or ``openvino``; all but the first need a bundle with a graph.
            precision: ``auto`` takes bf16 where the processor multiplies it natively; or ``32-true``, ``bf16-true``.
            device: where torch computes: ``auto``, ``cpu``, ``gpu``, ``cuda`` or ``mps``.
            trust: packages whose names the configuration of a run may build, beside polyhead's own.
            dimensions: first units of the embedding to use, one of the widths that the model was trained for.

        Raises:
            ParameterError: an unknown backend, precision or device, or one that is not present.
            UserError: neither a bundle nor a finished run, an altered one, one of a newer format or that builds what is
                not trusted, a library that is not installed, or no answer of the hub.
        """
        path = Path(folder)
        if not path.exists() and is_repository(str(folder)):
            path = fetch(str(folder))
        if (path / FILE).is_file() or not (path / "config.yaml").is_file():
            return super().load(path, backend, precision, device, dimensions=dimensions)
        if backend != "torch":
            raise ParameterError(f"backend: {backend!r} given, and a run has no graph; export it as a bundle with one")
        from polyhead.app.jobs.export import export_run  # imports torch, which takes seconds

        with TemporaryDirectory(prefix="polyhead-") as place:
            bundle = Path(place) / "bundle"
            export_run(path, bundle, trust)
            return super().load(bundle, backend, precision, device, dimensions=dimensions)

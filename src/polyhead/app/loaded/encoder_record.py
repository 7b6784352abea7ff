"""Encoder record: how a run's texts became embeddings, as it was resolved, so that a change of the source is noticed.

The configuration of a run may say ``auto``; then the folder of the encoder says it, and that may change in time.
"""

from collections.abc import Mapping

from polyhead.errors import UserError
from polyhead.models.pretrained import PretrainedEncoder
from polyhead.runs.contents import Provenance
from polyhead.runs.folder import RunFolder


def resolve_encoder(encoder: PretrainedEncoder) -> dict[str, str]:
    """Return in words how texts become embeddings, all of it but weights and vocabulary.

    Raises:
        ParameterError: the encoder cannot be found, or is not supported.
    """
    texts = encoder.load_text_tokenizer()
    return {
        "embedding": encoder.skeleton().describe(),
        "length": texts.limit,
        "prompt": texts.prompt,
        "lower_case": "yes" if encoder.pipeline.lower_case else "no",
    }


def encoder_changes(run: RunFolder, found: Mapping[str, str]) -> list[str]:
    """Return in words what is not as a run noted it; nothing of a run of an older version, which noted none.

    Args:
        run: its folder.
        found: what :func:`resolve_encoder` says of its encoder now.
    """
    if not (run.folder / Provenance.file_name).is_file():
        return []
    noted = Provenance.read(run).encoder
    changed = [key for key in noted if key in found and noted[key] != found[key]]
    return [f"{key} {noted[key]!r:.100} is {found[key]!r:.100} now" for key in changed]


def check_encoder(run: RunFolder, encoder: PretrainedEncoder, found: Mapping[str, str], key: str = "run") -> None:
    """Check that the encoder that a run began with turns texts into embeddings as it did then.

    Args:
        run: its folder.
        encoder: as the run's configuration describes it.
        found: what :func:`resolve_encoder` says of it now.
        key: option that names the run, for the message.

    Raises:
        UserError: it does not.
    """
    if changes := encoder_changes(run, found):
        raise UserError(
            f"{key}: {encoder.location!r} is not as it was when {str(run.folder)!r} was trained from it "
            f"({'; '.join(changes)}); restore its files, or train anew"
        )

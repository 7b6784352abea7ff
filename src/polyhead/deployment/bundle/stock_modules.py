"""Stock modules: an encoder in the files that sentence-transformers reads. Knows nothing about heads or manifests."""

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from transformers import PreTrainedTokenizerBase

from polyhead.models.encoder import Encoder
from polyhead.storage.output import write_atomically

_POOLING_MODES = {"cls_token": "cls", "mean_tokens": "mean", "max_tokens": "max"}  # theirs -> ours


def write_encoder(
    folder: Path, encoder: Encoder, tokenizer: PreTrainedTokenizerBase, max_length: int, **config: Any
) -> None:
    """Write transformer, tokenizer and pooling, in the form that sentence-transformers reads since its version 2.

    Args:
        folder: where to write.
        encoder: a plain one, without adapters.
        tokenizer: of the encoder.
        max_length: longest text in tokens, special ones included.
        config: further entries of the transformer's ``config.json``.
    """
    transformer = cast(Any, encoder.transformer)
    transformer.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _complete_config(folder / "config.json", config)
    settings: dict[str, Any] = {"max_seq_length": max_length, "do_lower_case": False}
    if "add_pooling_layer" in inspect.signature(type(transformer).__init__).parameters:
        # The encoder has no pooler; transformers would add one with random weights, and warn.
        settings["model_args"] = {"add_pooling_layer": False}
    write_json(folder / "sentence_bert_config.json", settings)
    modes = {f"pooling_mode_{name}": mode == encoder.pooling for name, mode in _POOLING_MODES.items()}
    (folder / "1_Pooling").mkdir()
    write_json(folder / "1_Pooling" / "config.json", {"word_embedding_dimension": encoder.hidden_size, **modes})


def stock_modules(*kinds: str) -> list[dict[str, Any]]:
    """List modules for ``modules.json``; the first lies in the folder itself, the others in folders of their own.

    >>> [module["path"] for module in stock_modules("Transformer", "Pooling")]
    ['', '1_Pooling']
    """
    return [
        {
            "idx": index,
            "name": str(index),
            "path": f"{index}_{kind}" if index else "",
            "type": f"sentence_transformers.models.{kind}",
        }
        for index, kind in enumerate(kinds)
    ]


def write_json(path: Path, content: Any) -> None:
    """Write a JSON file that people may read, whole or not at all."""
    text = json.dumps(content, indent=2) + "\n"
    with write_atomically(path) as partial:
        partial.write_text(text, encoding="utf-8")


def _complete_config(path: Path, entries: Mapping[str, Any]) -> None:
    """Add entries to a configuration, and remove the path that its weights came from: it names a user's machine."""
    content = json.loads(path.read_text(encoding="utf-8"))
    content.pop("_name_or_path", None)
    write_json(path, {**content, **entries})

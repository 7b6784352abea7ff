"""Stock modules: an encoder in the files that sentence-transformers reads. Knows nothing about heads or manifests."""

import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from safetensors.torch import save_file

from polyhead.data.tokenization import TextTokenizer
from polyhead.models.encoder import Encoder
from polyhead.models.pipeline import pooling_settings
from polyhead.models.sentence_modules import SentenceModule
from polyhead.storage.output import write_atomically


def write_encoder(
    folder: Path,
    encoder: Encoder,
    tokenizer: TextTokenizer,
    top: Sequence[SentenceModule] = (),
    with_graph: bool = False,
    **config: Any,
) -> None:
    """Write transformer, tokenizer, pooling and all on top, in the form that sentence-transformers reads.

    Args:
        folder: where to write.
        encoder: a plain one, without adapters.
        tokenizer: of the encoder, with its limit and its prompt.
        top: modules of the caller's on top of the encoder's own.
        with_graph: a graph will lie beside: sentence-transformers hands the arguments of the transformer's class to
            whatever loads it, and optimum refuses them. transformers then says that weights of a pooler are new.
        config: further entries of the transformer's ``config.json``.
    """
    transformer = cast(Any, encoder.transformer)
    transformer.save_pretrained(folder)
    tokenizer.tokenizer.save_pretrained(folder)
    _complete_config(folder / "config.json", config)
    settings: dict[str, Any] = {"max_seq_length": tokenizer.max_length, "do_lower_case": False}
    if not with_graph and "add_pooling_layer" in inspect.signature(type(transformer).__init__).parameters:
        # The encoder has no pooler; transformers would add one with random weights, and warn.
        settings["model_args"] = {"add_pooling_layer": False}
    write_json(folder / "sentence_bert_config.json", settings)
    modules = [*cast(Iterable[SentenceModule], encoder.sentence_modules), *top]
    kinds = ["Transformer", "Pooling", *(type(module).__name__ for module in modules)]
    write_json(folder / "modules.json", stock_modules(*kinds))
    pooling = pooling_settings(encoder.pooling, encoder.hidden_size, include_prompt=not encoder.skipped)
    (folder / "1_Pooling").mkdir()
    write_json(folder / "1_Pooling" / "config.json", pooling)
    for index, module in enumerate(modules, start=2):
        _write_module(folder / f"{index}_{type(module).__name__}", module)


def write_prompt(folder: Path, prompt: str, **settings: Any) -> None:
    """Write what sentence-transformers needs to put a prompt before each text.

    All methods of the library apply it: ``encode_query`` and ``encode_document`` look for prompts of these names.

    Args:
        folder: where to write.
        prompt: empty for none.
        settings: further entries of the file.
    """
    if prompt:
        settings |= {"prompts": {"query": prompt, "document": prompt}, "default_prompt_name": "query"}
    if settings:
        write_json(folder / "config_sentence_transformers.json", settings)


def _write_module(folder: Path, module: SentenceModule) -> None:
    folder.mkdir()
    write_json(folder / "config.json", module.settings())
    weights = {name: tensor.detach().float().cpu().contiguous() for name, tensor in module.state_dict().items()}
    if weights:
        save_file(weights, folder / "model.safetensors")


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

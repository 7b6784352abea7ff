import json
import logging

import pytest
import torch
from support.bundles import MAX_LENGTH, bundle_tokenizer, make_bundle, texts
from support.models import FAMILIES

from polyhead.deployment.bundle.folder import Bundle
from polyhead.deployment.bundle.stock_modules import write_encoder, write_json
from polyhead.models.multitask import MultiTaskModel


@pytest.mark.parametrize(
    ("family", "pooling"), [*((family, "mean") for family in FAMILIES), ("bert", "cls"), ("bert", "max")]
)
def test_stock_modules_give_the_embeddings_of_the_encoder(
    tmp_path, caplog, monkeypatch, make_encoder, tasks, family, pooling
):
    from sentence_transformers import SentenceTransformer

    monkeypatch.setattr(logging.getLogger("transformers"), "propagate", True)
    model = MultiTaskModel(make_encoder(family, pooling), tasks, 0.1)
    folder = make_bundle(tmp_path / "bundle", model, tasks)
    theirs = SentenceTransformer(str(folder), device="cpu")
    assert [type(module).__module__.split(".")[0] for module in theirs] == ["sentence_transformers"] * 2
    encoder, tokenizer = model.eval().encoder, Bundle.open(folder).load_text_tokenizer().tokenizer
    with torch.inference_mode():
        ours = [
            encoder(torch.tensor([tokenizer(t, truncation=True, max_length=MAX_LENGTH)["input_ids"]]))[0]
            for t in texts(40)
        ]
    found = torch.from_numpy(theirs.encode(texts(40)))
    assert torch.cosine_similarity(found, torch.stack(ours)).min() > 0.99999
    torch.testing.assert_close(found, torch.stack(ours), atol=1e-5, rtol=1e-4)
    warnings = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert [text for text in warnings if "os_token_id" not in text] == []  # the tiny vocabulary lacks modernbert's


@pytest.mark.parametrize("with_graph", [True, False])
def test_write_encoder_names_no_argument_that_optimum_refuses_beside_a_graph(tmp_path, make_encoder, with_graph):
    write_encoder(tmp_path, make_encoder(), bundle_tokenizer(), with_graph=with_graph)
    settings = json.loads((tmp_path / "sentence_bert_config.json").read_text())
    assert ("model_args" in settings) is not with_graph


def test_write_encoder_adds_entries_and_removes_where_the_weights_came_from(tmp_path, make_encoder):
    encoder = make_encoder()
    encoder.transformer.config._name_or_path = "somewhere"
    write_encoder(tmp_path, encoder, bundle_tokenizer(), id2label={0: "a", 1: "b"})
    config = json.loads((tmp_path / "config.json").read_text())
    assert config["id2label"] == {"0": "a", "1": "b"}
    assert config["hidden_size"] == 16
    assert "_name_or_path" not in config


def test_write_json_leaves_the_old_file_where_it_fails(tmp_path):
    path = tmp_path / "a.json"
    write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        write_json(path, {"a": object()})
    assert path.read_text() == '{\n  "a": 1\n}\n'
    assert list(tmp_path.iterdir()) == [path]

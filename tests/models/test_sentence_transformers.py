"""Embeddings equal those of sentence-transformers, for models that it makes and saves itself."""

import json

import pytest
import torch
from support.models import TINY
from support.sentence_models import SHORT, TEXTS, embedded_by_library, write_sentence_model, write_transformer

from polyhead.data.dataset import TokenizedSplit
from polyhead.errors import UserError
from polyhead.inference.embedder import Embedder
from polyhead.models.pooling import POOLINGS
from polyhead.models.pretrained import AUTO, PretrainedEncoder
from polyhead.models.sentence_modules import ACTIVATIONS, Dense, LayerNorm, Normalize

WIDTH = TINY["hidden_size"]
LIBRARY_NAMES = {"mean_sqrt_len": "mean_sqrt_len_tokens"}


@pytest.fixture(scope="module")
def transformer(tmp_path_factory):
    return write_transformer(tmp_path_factory.mktemp("transformer"))


def encoder_of(folder, **changes):
    values = {"architecture": {}, "pretrained": True, "pooling": AUTO, "max_length": AUTO, "sha256": None}
    return PretrainedEncoder(str(folder), **{**values, "prompt": AUTO, **changes})


def embedded(encoder, texts=TEXTS):
    """Embed without padding, as scripts do, and in padded batches, as training does; return the first."""
    tokenizer, model = encoder.load_text_tokenizer(), encoder.load().eval()
    (alone,) = Embedder(model, tokenizer, "32-true", torch.device("cpu")).embed(texts)
    split = TokenizedSplit(tokenizer.tokenize(texts), tokenizer.padding)
    with torch.no_grad():
        batches = [split[list(range(start, min(start + 7, len(texts))))] for start in range(0, len(texts), 7)]
        padded = torch.cat([model(batch.input_ids, batch.attention_mask) for batch in batches])
    alone = torch.from_numpy(alone)
    torch.testing.assert_close(padded, alone, atol=1e-5, rtol=1e-5)
    return alone


def check_equal(folder, texts=TEXTS, **changes):
    ours, theirs = embedded(encoder_of(folder, **changes), texts), embedded_by_library(folder, texts)
    assert ours.shape == theirs.shape
    assert torch.cosine_similarity(ours, theirs).min() > 0.99999
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("pooling", [*POOLINGS, ("mean", "cls"), ("max", "mean", "lasttoken")], ids=str)
def test_pooling_of_a_folder_is_that_of_sentence_transformers(tmp_path, transformer, pooling):
    names = [LIBRARY_NAMES.get(name, name) for name in ([pooling] if isinstance(pooling, str) else pooling)]
    write_sentence_model(tmp_path, transformer, names)
    check_equal(tmp_path)


def modules_on_top(kind):
    """Return modules of sentence-transformers on top of mean pooling."""
    from sentence_transformers.base.modules import Dense, Normalize
    from sentence_transformers.sentence_transformer.modules import Dropout, LayerNorm

    if kind == "Normalize":
        return [Normalize()]
    if kind == "Dense":
        return [Dense(WIDTH, 6)]
    if kind == "Dense without bias":
        return [Dense(WIDTH, 24, bias=False, activation_function=torch.nn.Identity())]
    if kind == "Dense with a residual":
        return [Dense(WIDTH, WIDTH, use_residual=True), Dense(WIDTH, 6, use_residual=True)]
    if kind == "Dropout":
        return [Dense(WIDTH, 6), Dropout(0.5), Normalize()]
    norm = LayerNorm(6)
    torch.nn.init.normal_(norm.norm.weight)
    return [Dense(WIDTH, 6, activation_function=torch.nn.GELU()), norm, Normalize()]


@pytest.mark.slow
@pytest.mark.parametrize(
    "kind",
    ["Normalize", "Dense", "Dense without bias", "Dense with a residual", "Dropout", "Dense, LayerNorm, Normalize"],
)
def test_modules_of_a_folder_are_those_of_sentence_transformers(tmp_path, transformer, kind):
    torch.manual_seed(1)
    write_sentence_model(tmp_path, transformer, "mean", modules_on_top(kind))
    check_equal(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"max_seq_length": SHORT}, {"do_lower_case": True}], ids=str)
def test_length_and_case_of_a_folder_are_those_of_sentence_transformers(tmp_path, transformer, settings):
    write_sentence_model(tmp_path, transformer, "mean", **settings)
    check_equal(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("settings", [{"max_seq_length": SHORT}, {"do_lower_case": True}], ids=str)
def test_length_and_case_of_an_old_folder_are_those_of_sentence_transformers(tmp_path, transformer, settings):
    """Older versions wrote them into a file of their own, and not into the tokenizer."""
    write_sentence_model(tmp_path, transformer, "mean")
    (tmp_path / "sentence_bert_config.json").write_text(json.dumps(settings))
    check_equal(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("include_prompt", [True, False])
@pytest.mark.parametrize("pooling", [("mean", "cls", "max", "weightedmean", "lasttoken"), "mean"], ids=str)
def test_default_prompt_of_a_folder_is_applied(tmp_path, transformer, pooling, include_prompt):
    prompts = {"query": "w1 w2 w3 ", "other": "w9 "}
    write_sentence_model(
        tmp_path, transformer, pooling, include_prompt=include_prompt, prompts=prompts, max_seq_length=9
    )
    check_equal(tmp_path)


def test_transformer_in_a_folder_of_its_own_is_found(tmp_path, transformer):
    """Older versions put it there."""
    write_sentence_model(tmp_path, transformer, "cls")
    inner = tmp_path / "0_Transformer"
    inner.mkdir()
    for path in [*tmp_path.glob("*.*")]:
        if path.name not in ("modules.json", "config_sentence_transformers.json", "README.md"):
            path.rename(inner / path.name)
    modules = json.loads((tmp_path / "modules.json").read_text())
    modules[0]["path"] = "0_Transformer"
    (tmp_path / "modules.json").write_text(json.dumps(modules))
    check_equal(tmp_path)
    assert encoder_of(tmp_path, pooling="mean").load().describe() == "mean"


@pytest.mark.slow
def test_prompts_are_chosen_by_name_by_text_or_not_at_all(tmp_path, transformer):
    model = write_sentence_model(tmp_path, transformer, "mean", prompts={"query": "w1 w2 ", "passage": "w5 "})
    for given, prompt in (("passage", "w5 "), ("w7 w8 ", "w7 w8 "), (None, ""), (AUTO, "w1 w2 ")):
        theirs = model.encode(TEXTS, prompt=prompt, convert_to_tensor=True)
        torch.testing.assert_close(embedded(encoder_of(tmp_path, prompt=given)), theirs, atol=1e-5, rtol=1e-5)


def test_prompt_of_a_name_that_is_not_there_is_refused(tmp_path, transformer):
    write_sentence_model(tmp_path, transformer, "mean", prompts={"query": "w1 ", "passage": "w5 "})
    with pytest.raises(UserError, match="called 'pasage'; did you mean 'passage'.*Valid: document, passage, query"):
        encoder_of(tmp_path, prompt="pasage").load_text_tokenizer()


def test_prompt_that_leaves_no_room_is_refused(tmp_path, transformer):
    write_sentence_model(tmp_path, transformer, "mean", max_seq_length=6)
    with pytest.raises(UserError, match=r"prompt: 'w1 w2 w3 w4 ' given; .* takes 5 tokens, and of the 6"):
        encoder_of(tmp_path, prompt="w1 w2 w3 w4 ").load_text_tokenizer()


def test_folder_without_modules_is_mean_pooling_up_to_its_positions(transformer):
    encoder = encoder_of(transformer)
    assert encoder.load().describe() == "mean"
    assert encoder.load_text_tokenizer().max_length == TINY["max_position_embeddings"]
    check_equal(transformer)


def test_explicit_pooling_leaves_out_all_on_top(tmp_path, transformer):
    write_sentence_model(tmp_path, transformer, "cls", modules_on_top("Dense"), max_seq_length=SHORT)
    encoder = encoder_of(tmp_path, pooling="mean")
    assert encoder.load().describe() == "mean"
    assert encoder.load_text_tokenizer().max_length == SHORT
    assert embedded(encoder).shape[1] == WIDTH


def test_explicit_pooling_takes_the_transformer_beside_code_of_its_own(tmp_path, transformer):
    write_sentence_model(tmp_path, transformer, "cls")
    entry = {"idx": 0, "name": "0", "path": "", "type": "custom_st.Transformer"}
    (tmp_path / "modules.json").write_text(json.dumps([entry]))
    with pytest.raises(UserError, match=r"custom_st.Transformer.*name a pooling"):
        encoder_of(tmp_path).load()
    assert encoder_of(tmp_path, pooling="cls").load().describe() == "cls"


def test_random_weights_have_the_modules_of_the_folder(tmp_path, transformer):
    write_sentence_model(tmp_path, transformer, "cls", modules_on_top("Dense"))
    encoder = encoder_of(tmp_path, pretrained=False).load()
    assert encoder.describe().startswith("cls, Dense(in_features=16, out_features=6")
    assert encoder.embedding_size == 6


@pytest.fixture
def edited(tmp_path, transformer):
    """Return a function that writes a folder, changes one of its JSON files, and gives the line of the refusal."""

    def refusal(file, change):
        write_sentence_model(tmp_path, transformer, "mean", modules_on_top("Dense"))
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        content = json.loads(path.read_text()) if path.exists() else {}
        path.write_text(json.dumps(change(content)))
        with pytest.raises(UserError) as caught:
            encoder_of(tmp_path).load()
        assert "\n" not in str(caught.value)
        return str(caught.value)

    return refusal


@pytest.mark.parametrize(
    "kind",
    [
        "sentence_transformers.models.CNN",
        "sentence_transformers.models.LSTM",
        "sentence_transformers.models.WordWeights",
        "sentence_transformers.base.modules.router.Router",
        "custom_st.Transformer",
        "polyhead.models.Dense",
    ],
)
def test_module_that_is_not_supported_is_refused_by_its_name(edited, kind):
    line = edited("modules.json", lambda modules: [*modules, {"idx": 3, "name": "3", "path": "3_X", "type": kind}])
    assert kind in line
    assert "encoder.pooling=mean" in line


def test_model_that_begins_otherwise_is_refused_by_its_name(edited):
    kind = "sentence_transformers.models.StaticEmbedding"
    assert kind in edited("modules.json", lambda _: [{"idx": 0, "name": "0", "path": "", "type": kind}])


@pytest.mark.parametrize(
    ("file", "change", "message"),
    [
        ("2_Dense/config.json", {"activation_function": "os.system"}, "activation_function: 'os.system' given"),
        ("2_Dense/config.json", {"activation_function": "torch.nn.Bilinear"}, "torch.nn.Bilinear"),
        ("2_Dense/config.json", {"out_features": 10**9}, "out_features: 1000000000 given"),
        ("2_Dense/config.json", {"out_features": 7}, "does not fit its config.json"),
        ("2_Dense/config.json", {"in_features": 7}, "it takes a width of 7, and what comes before it gives 16"),
        ("2_Dense/config.json", {"use_residual": "yes"}, "use_residual: 'yes' given"),
        ("2_Dense/config.json", {"module_input_name": "token_embeddings"}, "module_input_name"),
        ("1_Pooling/config.json", {"pooling_mode": "median"}, "unknown 'median'"),
        ("1_Pooling/config.json", {"embedding_dimension": 20}, "its Pooling takes a width of 20"),
        ("1_Pooling/config.json", {"include_prompt": "no"}, "include_prompt: 'no' given"),
        ("1_Pooling/config.json", {"gate": 1}, "gate: no such setting"),
        ("sentence_bert_config.json", {"max_seq_length": "all"}, "max_seq_length: 'all' given"),
        ("sentence_bert_config.json", {"transformer_task": "fill-mask"}, "transformer_task: 'fill-mask' given"),
        ("config_sentence_transformers.json", {"model_type": "CrossEncoder"}, "it is a CrossEncoder"),
    ],
)
def test_setting_that_cannot_be_is_refused_in_a_line(edited, file, change, message):
    assert message in edited(file, lambda content: content | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prompts": {"a": 3}}, "it must have a text for each name"),
        ({"default_prompt_name": "b"}, "default_prompt_name: 'b' given"),
    ],
)
def test_prompts_that_cannot_be_are_refused_in_a_line(tmp_path, transformer, change, message):
    write_sentence_model(tmp_path, transformer, "mean", prompts={"a": "w1 "})
    path = tmp_path / "config_sentence_transformers.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(UserError, match=message):
        encoder_of(tmp_path).load_text_tokenizer()


@pytest.mark.parametrize("path", ["../2_Dense", "/etc", "2_Dense/../../x"])
def test_path_outside_the_folder_is_refused(edited, path):
    assert "must lie within the folder" in edited(
        "modules.json", lambda content: [{**m, "path": path} for m in content]
    )


def test_weights_that_are_a_pickle_are_refused(tmp_path, transformer):
    write_sentence_model(tmp_path, transformer, "mean", modules_on_top("Dense"))
    weights = tmp_path / "2_Dense" / "model.safetensors"
    weights.rename(weights.with_name("pytorch_model.bin"))
    with pytest.raises(UserError, match="pytorch_model.bin, a pickle, which is not loaded"):
        encoder_of(tmp_path).load()


def test_activations_are_those_of_torch():
    assert all(name.startswith("torch.nn.modules.") for name in ACTIVATIONS)
    assert {type(Dense(2, 3, True, name).activation) for name in ACTIVATIONS} == set(ACTIVATIONS.values())


def test_modules_write_what_they_read():
    for module in (Dense(3, 2, False, next(iter(ACTIVATIONS))), LayerNorm(3), Normalize()):
        again = type(module).from_settings(module.settings())
        assert again.settings() == module.settings()

from types import SimpleNamespace

import numpy as np
import pytest
from hydra import compose, initialize_config_dir
from support.commands import ROOT
from support.fakes import word_tokenizer
from support.run_folders import make_metrics, make_provenance

from polyhead.app.config.run_config import read_config
from polyhead.app.loaded.sentence_digest import sentence_digest
from polyhead.app.loaded.trained_run import TrainedRun
from polyhead.data.tokenization import TextTokenizer
from polyhead.data.tokenized_sentences import TokenizedSentences
from polyhead.errors import UserError
from polyhead.freezing.activation_cache import digest
from polyhead.runs.folder import RunFolder
from polyhead.tasks import Task


@pytest.mark.parametrize("content", ["a: [b", "\t: x", "a: b: c", "\x00"])
def test_read_config_refuses_what_is_no_yaml_in_one_line(tmp_path, content):
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(
        UserError, match=r"config.yaml' cannot be read \(.*\); give the folder of a finished run"
    ) as error:
        read_config(tmp_path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("content", ["", "[]", "hello", "tasks: {}"])
def test_read_config_refuses_yaml_of_something_else(tmp_path, content):
    (tmp_path / "config.yaml").write_text(content)
    with pytest.raises(UserError, match="is no configuration of this version of polyhead; train again"):
        read_config(tmp_path)


def test_trained_run_reads_the_splits_of_own_files(tmp_path):
    """Tables have no test split until they were looked through, and int8 is judged on that one."""
    rows = "".join(f"sentence {i},{'ab'[i % 2]}\n" for i in range(40))
    (tmp_path / "train.csv").write_text("text,sentiment\n" + rows)
    data = [f"data.cache={tmp_path / 'cache'}", f"data.files.train={tmp_path}/train.csv", "data.holdout.test=0.2"]
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("train", overrides=["data=files", f"run_dir={tmp_path}", *data])
    trained = TrainedRun(
        tmp_path, config, (Task("sentiment", ("a", "b")),), encoder=None, model=None, metrics=make_metrics({})
    )
    train, test = (list(trained.source.sentences(split)) for split in ("train", "test"))
    assert 4 <= len(test) <= 12
    assert not {sentence.text for sentence in train} & {sentence.text for sentence in test}


def test_trained_run_says_which_split_it_does_not_have(tmp_path):
    (tmp_path / "train.csv").write_text("text,sentiment\n" + "".join(f"w{i},{'ab'[i % 2]}\n" for i in range(40)))
    data = [f"data.cache={tmp_path / 'cache'}", f"data.files.train={tmp_path}/train.csv", "data.holdout.validation=0"]
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("train", overrides=["data=files", f"run_dir={tmp_path}", *data])
    tasks = (Task("sentiment", ("a", "b")),)
    trained = TrainedRun(tmp_path, config, tasks, encoder=None, model=None, metrics=make_metrics({}))
    with pytest.raises(UserError, match="had no validation sentences; do without them, or train with some"):
        trained.sentences("validation")


def test_trained_run_refuses_held_out_sentences_that_are_not_those_of_its_training(tmp_path):
    (tmp_path / "train.csv").write_text("text,sentiment\n" + "".join(f"w{i},{'ab'[i % 2]}\n" for i in range(40)))
    data = [f"data.cache={tmp_path / 'cache'}", f"data.files.train={tmp_path}/train.csv"]
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("train", overrides=["data=files", f"run_dir={tmp_path}", *data])
    tokenizer = TextTokenizer(word_tokenizer(), 16)
    encoder = SimpleNamespace(load_text_tokenizer=lambda: tokenizer)
    trained = TrainedRun(
        tmp_path, config, (Task("sentiment", ("a", "b")),), encoder, model=None, metrics=make_metrics({})
    )
    chunks = tokenizer.tokenize_labeled(trained.source.sentences("test"), trained.tasks)
    noted = sentence_digest(TokenizedSentences.concatenate(chunks, ["sentiment"]))
    make_provenance(data={"test": noted, "train": "other", "validation": "other"}).write(RunFolder(tmp_path))
    assert len(trained.sentences("test")) == 4
    assert len(trained.sentences("train")) == 32  # who has learned from which of them is of no consequence
    with pytest.raises(UserError, match="the validation sentences that are held out here are not those of"):
        trained.sentences("validation")


def test_sentence_digest_has_weights_only_where_they_are_given():
    sentences = TokenizedSentences(np.arange(4, dtype=np.int32), np.array([0, 2, 4]))
    plain = sentence_digest(sentences)
    assert plain == sentence_digest(sentences, None) == digest([sentences.ids, sentences.offsets])
    weighted = [sentence_digest(sentences, np.array(weights, dtype=np.float32)) for weights in ([1, 1], [1, 0.5])]
    assert len({plain, *weighted}) == 3

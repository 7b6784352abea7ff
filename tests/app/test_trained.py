import pytest
from hydra import compose, initialize_config_dir
from support.commands import ROOT

from polyhead.app.trained import TrainedRun, read_config
from polyhead.errors import UserError
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
    trained = TrainedRun(tmp_path, config, (Task("sentiment", ("a", "b")),), encoder=None, model=None, metrics={})
    train, test = (list(trained.source.sentences(split)) for split in ("train", "test"))
    assert 4 <= len(test) <= 12
    assert not {sentence.text for sentence in train} & {sentence.text for sentence in test}

"""What an export reads of the run's data: a part that needs no run."""

from types import SimpleNamespace

from conftest import ROOT
from hydra import compose, initialize_config_dir

from polyhead.app.export import _sentences
from polyhead.tasks import Task


def test_a_split_of_own_files_is_read(tmp_path):
    """Tables have no test split until they were looked through, and int8 is judged on that one."""
    rows = "".join(f"sentence {i},{'ab'[i % 2]}\n" for i in range(40))
    (tmp_path / "train.csv").write_text("text,sentiment\n" + rows)
    data = [f"data.cache={tmp_path / 'cache'}", f"data.files.train={tmp_path}/train.csv", "data.cut.test=0.2"]
    with initialize_config_dir(str(ROOT / "configs"), version_base="1.3"):
        config = compose("train", overrides=["data=files", f"run_dir={tmp_path}", *data])
    trained = SimpleNamespace(config=config, tasks=(Task("sentiment", ("a", "b")),))
    train, test = (_sentences(trained, split) for split in ("train", "test"))
    assert 4 <= len(test) <= 12
    assert not {sentence.text for sentence in train} & {sentence.text for sentence in test}

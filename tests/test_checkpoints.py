import pickle

import pytest
import torch

from polyhead.checkpoints import load_checkpoint
from polyhead.errors import UserError


class Evil:
    def __reduce__(self):
        return (open, ("hacked", "w"))


@pytest.mark.parametrize("content", ["pickle", "torch", "text", "empty", "none"])
def test_what_is_no_checkpoint_is_refused_and_nothing_in_it_runs(tmp_path, monkeypatch, content):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "last.ckpt"
    if content == "pickle":
        path.write_bytes(pickle.dumps(Evil()))
    elif content == "torch":
        torch.save({"state_dict": Evil()}, path)
    elif content != "none":
        path.write_text("hello" if content == "text" else "")
    with pytest.raises(UserError, match="last.ckpt") as caught:
        load_checkpoint(path)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "hacked").exists()

import io
import pickle
import random

import pytest
import torch

from polyhead.errors import UserError
from polyhead.training.checkpoints import best_weights, load_checkpoint


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


@pytest.mark.parametrize("zipped", [True, False])
def test_a_byte_that_flipped_is_told_or_harmless(tmp_path, zipped):
    """The library has an exception for each kind of damage; none of them may reach the user as a traceback."""
    whole, dice = io.BytesIO(), random.Random(0)
    torch.save({"state_dict": {"model.weight": torch.zeros(3)}}, whole, _use_new_zipfile_serialization=zipped)
    (tmp_path / "checkpoints").mkdir()
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole.getvalue())
        damaged[dice.randrange(len(damaged))] ^= 1 << dice.randrange(8)
        (tmp_path / "checkpoints" / "best.ckpt").write_bytes(damaged)
        try:
            best_weights(tmp_path, torch.nn.Linear(3, 1))
        except UserError:
            refused += 1
    assert refused == 60  # also where the bytes can be read: no such weights


@pytest.mark.parametrize("content", [[1], torch.zeros(2), {"state_dict": [1]}, {"state_dict": {"model.a": 1}}])
def test_what_holds_no_weights_is_refused(tmp_path, content):
    (tmp_path / "checkpoints").mkdir()
    torch.save(content, tmp_path / "checkpoints" / "best.ckpt")
    with pytest.raises(UserError, match="is no checkpoint of tensors and plain values"):
        best_weights(tmp_path, torch.nn.Linear(3, 1))

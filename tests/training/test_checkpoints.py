import io
import pickle
import random

import pytest
import torch
from support.training import make_data, make_module, make_trainer

from polyhead.errors import UserError
from polyhead.training.checkpoints import FORMAT, best_weights, load_checkpoint


class Evil:
    def __reduce__(self):
        return (open, ("hacked", "w"))


@pytest.mark.parametrize("content", ["pickle", "torch", "text", "empty", "none"])
def test_checkpoint_that_is_none_is_refused_and_nothing_in_it_runs(tmp_path, monkeypatch, content):
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
def test_checkpoint_with_a_flipped_byte_is_refused(tmp_path, zipped):
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
def test_checkpoint_without_weights_is_refused(tmp_path, content):
    (tmp_path / "checkpoints").mkdir()
    torch.save(content, tmp_path / "checkpoints" / "best.ckpt")
    with pytest.raises(UserError, match="is no checkpoint of tensors and plain values"):
        best_weights(tmp_path, torch.nn.Linear(3, 1))


def test_checkpoint_of_a_run_has_the_format_of_today(tmp_path, model, tasks):
    trainer = make_trainer(tmp_path, max_epochs=1)
    trainer.fit(make_module(model, tasks), make_data(tasks), weights_only=True)
    for name, weights_only in (("best", True), ("last", False)):
        trainer.save_checkpoint(tmp_path / f"{name}.ckpt", weights_only=weights_only)
        assert load_checkpoint(tmp_path / f"{name}.ckpt")["polyhead_format"] == FORMAT == 2


def test_checkpoint_of_a_newer_format_is_refused_in_one_line(tmp_path):
    torch.save({"polyhead_format": FORMAT + 1, "state_dict": {}}, tmp_path / "last.ckpt")
    with pytest.raises(UserError) as caught:
        load_checkpoint(tmp_path / "last.ckpt")
    assert str(caught.value) == (
        f"{str(tmp_path / 'last.ckpt')!r} has checkpoint format 3; this version of polyhead reads up to 2: "
        "install the version that wrote it, or a later one"
    )


@pytest.mark.parametrize("version", ["2", 0, -1, 1.5])
def test_checkpoint_of_a_format_that_is_none_is_refused(tmp_path, version):
    torch.save({"polyhead_format": version}, tmp_path / "last.ckpt")
    with pytest.raises(UserError, match="is no checkpoint"):
        load_checkpoint(tmp_path / "last.ckpt")


def test_checkpoint_of_format_1_has_the_metrics_names_of_today(tmp_path):
    old = {"category": {"accuracy": 0.5, "calibration_error": 0.25, "calibration_error_scaled": 0.125}}
    torch.save({"results": {"validation": old}, "epoch": 3}, tmp_path / "best.ckpt")
    assert load_checkpoint(tmp_path / "best.ckpt") == {
        "results": {"validation": {"category": {"accuracy": 0.5, "ece": 0.25, "ece_scaled": 0.125}}},
        "epoch": 3,
    }


@pytest.mark.parametrize("content", [{"epoch": 1}, {"results": {"validation": None}}])
def test_checkpoint_of_format_1_may_lack_results(tmp_path, content):
    torch.save(content, tmp_path / "last.ckpt")
    assert load_checkpoint(tmp_path / "last.ckpt") == content


@pytest.mark.parametrize("text", ["/run/checkpoints/../../precious", "s3://bucket/x", "x::file:///precious", "../x"])
@pytest.mark.parametrize("place", ["value", "key"])
def test_checkpoint_whose_callbacks_name_files_elsewhere_is_refused(tmp_path, text, place):
    """Lightning removes the checkpoints that its callbacks noted once there is a better one."""
    state = {"kth_best_model_path": text} if place == "value" else {"best_k_models": {text: 1.0}}
    torch.save({"state_dict": {}, "callbacks": {"ModelCheckpoint": state}}, tmp_path / "last.ckpt")
    with pytest.raises(UserError, match="is no checkpoint"):
        load_checkpoint(tmp_path / "last.ckpt")

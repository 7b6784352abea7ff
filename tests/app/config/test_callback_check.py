import os

from omegaconf import OmegaConf

from polyhead.app.config.callback_check import logger_problems


def problems(path):
    node = {"_target_": "lightning.pytorch.loggers.MLFlowLogger", "tracking_uri": f"sqlite:///{path}"}
    return list(logger_problems(OmegaConf.create({"mlflow": node})))


def test_logger_problems_allow_a_database_that_mlflow_can_make(tmp_path):
    (tmp_path / "there.db").touch()
    for path in ("there.db", "new.db", "folder/new.db"):
        assert problems(tmp_path / path) == []


def test_logger_problems_name_a_database_that_cannot_be_written(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    (line,) = problems(tmp_path / "file" / "mlflow.db")
    assert line.startswith("logger.mlflow.tracking_uri: 'sqlite:///")
    assert "may write into" in line
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # tests may run as root, who may all
    assert len(problems(tmp_path / "mlflow.db")) == 1

"""Trains a tiny model with the progress bar on the terminal that it is started in; test_progress.py runs it.

PYTHONPATH=tests python tests/support/progress_run.py FOLDER
"""

import sys
import warnings
from pathlib import Path

import torch
from support.models import FAMILIES
from support.training import make_data, make_module, make_trainer
from transformers import AutoConfig, AutoModel

from polyhead.models.encoder import Encoder
from polyhead.models.multitask import MultiTaskModel
from polyhead.tasks import Task
from polyhead.training.callbacks.progress import ProgressBar
from polyhead.training.fit import fit_and_test

TASKS = (Task("category", ("Quote", "Riddle", "News")), *(Task(f"task{n}", ("yes", "no")) for n in range(29)))

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    transformer = AutoModel.from_config(AutoConfig.for_model("bert", **FAMILIES["bert"]))
    model = MultiTaskModel(Encoder(transformer, "mean"), TASKS, dropout=0.1)
    bar = ProgressBar(refresh_rate=1)
    trainer = make_trainer(Path(sys.argv[1]), max_epochs=12, enable_progress_bar=True, callbacks=[bar])
    fit_and_test(make_module(model, TASKS), make_data(TASKS), trainer, None)

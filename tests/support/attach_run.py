"""Attaches frozen activations to a split, and counts the encoder's passes; test_turns.py starts two at once.

PYTHONPATH=tests python tests/support/attach_run.py FOLDER NAME [hang]
"""

import logging
import sys
import time
from pathlib import Path

import torch
from support.fakes import FakeSource, word_tokenizer
from support.models import FAMILIES
from transformers import AutoConfig, AutoModel

from polyhead.data.datamodule import SentenceData
from polyhead.data.samplers import LoaderSettings
from polyhead.data.token_cache import TokenCache
from polyhead.data.tokenization import TextTokenizer
from polyhead.freezing.activation_cache import ActivationCache
from polyhead.freezing.frozen_activations import FrozenActivations
from polyhead.models.encoder import Encoder
from polyhead.tasks import Task

TASKS = (Task("category", ("Quote", "Riddle", "News")), Task("sentiment", ("Positive", "Negative")))


def main(folder, name, hangs=False):
    torch.manual_seed(0)
    encoder = Encoder(AutoModel.from_config(AutoConfig.for_model("bert", **FAMILIES["bert"])), "mean").eval()
    encoder.requires_grad_(False)
    run = Encoder.forward
    passes = folder / f"{name}.passes"

    def counted(self, *arguments):
        with passes.open("a") as file:
            file.write("x")
        time.sleep(600 if hangs else 0.3)
        return run(self, *arguments)

    Encoder.forward = counted
    settings = LoaderSettings(8, evaluation_batch_size=8, bucket_batches=4, seed=0, workers=0)
    tokenizer = TextTokenizer(word_tokenizer(), 16)
    data = SentenceData(
        FakeSource({"train": 48}), TASKS, tokenizer, settings, None, TokenCache(str(folder / "tokens"), 1)
    )
    cache = ActivationCache(str(folder / "activations"), 1)
    (folder / f"{name}.ready").touch()
    while len(list(folder.glob("*.ready"))) < 2:
        time.sleep(0.01)
    frozen = FrozenActivations(encoder, None, "32-true", cache, torch.device("cpu"))
    split = data.split("train")
    frozen.attach(split, "train")
    torch.save(split.activations.clone(), folder / f"{name}.pt")
    print(dict(cache.counts))


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    torch.set_num_threads(1)
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3:] == ["hang"])

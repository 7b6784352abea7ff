"""The surest mistakes are found, wherever they stand and however the rows are dealt out."""

import csv

import pytest
import torch
from lightning.pytorch.loggers import TensorBoardLogger
from support.fakes import FakeSource
from support.training import make_data, make_module, make_trainer
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from polyhead.errors import ParameterError
from polyhead.storage.markdown import markdown_table
from polyhead.tasks import MISSING
from polyhead.training.callbacks.mistakes import Mistake, Mistakes, SurestMistakes, file_name, table_rows
from polyhead.training.fit import fit_and_test

LOGITS = torch.randn(200, 4)
LABELS = torch.randint(0, 4, (200,))
LABELS[::7] = MISSING


def expected(count):
    probabilities = LOGITS.double().softmax(1)
    wrong = [
        (probabilities[row].max().item(), row)
        for row in range(200)
        if LABELS[row] != MISSING and LOGITS[row].argmax() != LABELS[row]
    ]
    return [row for _, row in sorted(wrong, key=lambda pair: -pair[0])[:count]]


@pytest.mark.parametrize("count", [1, 10, 1000])
def test_surest_mistakes_are_the_wrong_rows_with_the_highest_probability(count):
    mistakes = SurestMistakes(count)
    for rows in torch.randperm(200).split(17):
        mistakes.update(LOGITS[rows], LABELS[rows], rows)
    assert mistakes.found[:, 1].tolist() == expected(count)
    for probability, row, label, prediction in mistakes.found.tolist():
        assert label == LABELS[int(row)] != prediction
        assert probability == LOGITS[int(row)].double().softmax(0)[int(prediction)]


def test_surest_mistakes_of_processes_together_are_those_of_one():
    parts = [SurestMistakes(5), SurestMistakes(5)]
    for rank, part in enumerate(parts):
        part.update(LOGITS[rank::2], LABELS[rank::2], torch.arange(rank, 200, 2))
    parts[0].add(parts[1].found)
    assert parts[0].found[:, 1].tolist() == expected(5)


@pytest.mark.slow
def test_mistakes_of_a_run_are_written_and_shown(tmp_path, model, tasks):
    class WithExtraTestSets(FakeSource):
        test_sets = ("test", "news", "letters")

        def sentences(self, split):
            for sentence in super().sentences(split):
                sentence.labels |= {"sentiment": None} if split == "letters" else {}
                yield sentence

    data = make_data(tasks, unlabelled={"sentiment": 2})
    data.source = WithExtraTestSets(data.source.sizes | {"news": 9, "letters": 9}, unlabelled={"sentiment": 2})
    logger = TensorBoardLogger(tmp_path, name="", version="", default_hp_metric=False)
    module = make_module(model, tasks, ["encoder", "heads"])
    fit_and_test(
        module, data, make_trainer(tmp_path, logger=logger, callbacks=[Mistakes(3, folder=str(tmp_path))]), None
    )
    for split in ("test", "news"):
        with (tmp_path / file_name(split)).open(newline="") as file:
            listed = list(csv.DictReader(file))
        sentences = list(data.source.sentences(split))
        for task in tasks:
            confusion = torch.tensor(module.results[split][task.name]["confusion"])
            ours = [row for row in listed if row["task"] == task.name]
            assert len(ours) == min(3, int(confusion.sum() - confusion.trace())) > 0
            assert [float(row["probability"]) for row in ours] == sorted(
                (float(row["probability"]) for row in ours), reverse=True
            )
            for row in ours:
                sentence = sentences[int(row["place"].removeprefix(f"{split} sentence ")) - 1]
                assert (row["text"], row["label"]) == (sentence.text, sentence.labels[task.name])
                assert row["predicted"] in set(task.labels) - {row["label"]}
    shown = EventAccumulator(str(tmp_path)).Reload().Tags()["tensors"]
    assert {"test/category/mistakes/text_summary", "news/sentiment/mistakes/text_summary"} <= set(shown)
    assert "letters/sentiment/mistakes/text_summary" not in shown  # nothing is shown of a task without labels


def test_table_cannot_be_broken_by_a_sentence():
    (cells,) = table_rows([Mistake("tone", "dry", "warm", 0.98765, "a.csv row 2", "one | two\nthree" + "x" * 1000)])
    table = markdown_table(["probability", "predicted", "label", "text", "place"], [cells])
    head, rule, row = table.splitlines()
    assert head.count("|") == rule.count("|") == row.replace("\\|", "").count("|")
    assert "one \\| two three" in row
    assert "0.988" in row
    assert len(row) < 400


def test_count_below_one_is_refused():
    with pytest.raises(ParameterError, match="^count: 0 given; it must be 1 or more$"):
        Mistakes(0, folder="")

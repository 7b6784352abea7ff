import numpy as np
import pytest
import torch
from support.fakes import word_tokenizer

from polyhead.data.tokenization import TextTokenizer
from polyhead.errors import UserError
from polyhead.inference.text_runner import TextRunner, one_ahead

TEXTS = [" ".join(f"w{j}" for j in range(i % 13)) for i in range(60)]


def sums(ids):
    """Give for each text the sum of its ids, and their number."""
    return torch.stack([ids.sum(dim=1), torch.full_like(ids[:, 0], ids.shape[1])], dim=1)


def runner(max_length=16):
    return TextRunner(TextTokenizer(word_tokenizer(), max_length), 2, sums)


@pytest.mark.parametrize("chunk", [1, 7, None])
def test_text_runner_gives_each_text_its_own_row_whatever_the_chunk(chunk):
    found = np.concatenate(list(runner().run(iter(TEXTS), chunk)))
    ids = [word_tokenizer()(text)["input_ids"] for text in TEXTS]
    assert found.tolist() == [[sum(row), len(row)] for row in ids]


def test_text_runner_yields_a_chunk_before_it_reads_the_next_texts():
    read = []

    def texts():
        for text in TEXTS:
            read.append(text)
            yield text

    next(runner().run(texts(), chunk=10))
    assert len(read) == 10


def test_text_runner_counts_the_texts_it_cut():
    ours = runner(max_length=8)
    list(ours.run(TEXTS))
    assert ours.truncated == sum(len(text.split()) > 6 for text in TEXTS)


def test_text_runner_leaves_the_tokenizer_as_it_is():
    tokenizer = word_tokenizer()
    expected = tokenizer(TEXTS, padding=True)
    list(TextRunner(TextTokenizer(tokenizer, 8), 2, sums).run(TEXTS))
    assert tokenizer(TEXTS, padding=True).data == expected.data


@pytest.mark.parametrize("wrong", [None, 5, b"w1", ["w1", "w2"], ("w1", "w2"), float("nan"), "\ud800"])
@pytest.mark.parametrize("chunk", [1, 10, None])
def test_text_runner_refuses_anything_but_texts_with_the_position_among_all(wrong, chunk):
    """The tokenizer would take a pair for one text, and refuse the others without their position."""
    with pytest.raises(UserError, match=r"position 17 \(counted from 0\)") as error:
        list(runner().run([*TEXTS[:17], wrong, *TEXTS], chunk))
    assert str(error.value).isprintable()


def test_one_ahead_gives_the_items_in_order_and_makes_the_next_meanwhile():
    made = []

    def items():
        for number in range(5):
            made.append(number)
            yield number

    ahead = one_ahead(items())
    assert next(ahead) == 0
    assert list(ahead) == [1, 2, 3, 4]
    assert made == [0, 1, 2, 3, 4]


def test_one_ahead_raises_the_error_of_an_item_after_those_before_it():
    def items():
        yield 1
        raise ZeroDivisionError

    ahead = one_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ZeroDivisionError):
        next(ahead)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here")
@pytest.mark.parametrize("chunk", [1, 7, None])
def test_text_runner_gives_the_same_rows_from_a_gpu(chunk):
    on_gpu = TextRunner(TextTokenizer(word_tokenizer(), 16), 2, sums, device=torch.device("cuda"))
    found = np.concatenate(list(on_gpu.run(iter(TEXTS), chunk)))
    np.testing.assert_array_equal(found, np.concatenate(list(runner().run(TEXTS))))

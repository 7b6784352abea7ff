"""Rows in shards come once an epoch, in an order that (seed, epoch) decides, to the process that has their shard."""

import numpy as np
import pytest

from polyhead.data.shard_sampler import ShardedBatchSampler
from polyhead.errors import ParameterError, UserError

SIZES = [700, 40, 1300, 1, 260]


class Shards:
    """Shards of rows of known lengths, which note what is asked of them."""

    def __init__(self, sizes, without_text=0):
        self.sizes = sizes
        self.starts = np.cumsum([0, *sizes])
        self.without_text = without_text
        self.tokens = np.random.default_rng(0).integers(2, 40, sum(sizes)).astype(np.int32)
        self.asked = []

    def __call__(self, piece):
        self.asked.append(piece)
        low, high = piece.among(max(1, self.sizes[piece.shard] - self.without_text))
        numbers = self.starts[piece.shard] + np.arange(low, high)
        return numbers, self.tokens[numbers]


def sampler(shards, batch_size=8, seed=3, window=400, **options):
    return ShardedBatchSampler(shards.sizes, shards, batch_size, 5, seed, window, **options)


@pytest.mark.parametrize("sizes", [SIZES, [3], [5000], [1] * 90, [0, 17, 0, 64]])
@pytest.mark.parametrize("processes", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [1, 8])
def test_sampler_gives_every_row_to_one_process_in_as_many_batches(sizes, processes, batch_size):
    parts = [sampler(Shards(sizes), batch_size, rank=rank, processes=processes) for rank in range(processes)]
    batches = [list(part) for part in parts]
    assert {len(found) for found in batches} == {len(parts[0])}
    assert sorted(row for found in batches for batch in found for row in batch) == list(range(sum(sizes)))
    assert {len(batch) for found in batches for batch in found} <= set(range(1, batch_size + 2))


def test_sampler_order_is_a_function_of_seed_and_epoch():
    def order(seed, epoch):
        one = sampler(Shards(SIZES), seed=seed)
        one.set_epoch(epoch)
        return list(one)

    assert order(3, 1) == order(3, 1)
    assert order(3, 0) == list(sampler(Shards(SIZES)))
    assert order(3, 1) != order(3, 0)
    assert order(3, 1) != order(4, 1)


@pytest.mark.parametrize("skip", [0, 1, 57, 150, 287])
def test_sampler_leaves_out_batches_without_asking_for_their_rows(skip):
    whole = list(sampler(Shards(SIZES)))
    shards = Shards(SIZES)
    rest = sampler(shards)
    rest.skip = skip
    assert list(rest) == whole[skip:]
    assert sum(map(len, shards.asked)) <= sum(SIZES) - skip * 8 + 2 * rest.window
    assert list(rest) == whole, "the next epoch leaves out none"


def test_sampler_opens_the_shards_of_its_range_alone():
    sizes = [100] * 40
    opened = []
    for rank in range(4):
        shards = Shards(sizes)
        for epoch in range(3):
            one = sampler(shards, rank=rank, processes=4)
            one.set_epoch(epoch)
            assert len(list(one)) == len(one)
        opened.append({piece.shard for piece in shards.asked})
    assert [len(found) for found in opened] == [10] * 4
    assert len(set.union(*opened)) == 40


def test_sampler_needs_the_rows_of_a_window_and_no_more():
    one = sampler(Shards([100] * 40))
    sizes = [sum(map(len, pieces)) for pieces, _ in one.windows(0)]
    assert sum(sizes) == 4000
    assert all(400 <= size <= 900 for size in sizes)
    assert min(len({piece.shard for piece in pieces}) for pieces, _ in one.windows(0)) >= 6


def test_sampler_opens_a_window_when_its_first_batch_is_asked_for():
    shards = Shards([100] * 40)
    batches = iter(sampler(shards))
    next(batches)
    assert sum(map(len, shards.asked)) <= 450


def test_sampler_pads_little():
    shards = Shards([4000])
    padded = sum(len(batch) * shards.tokens[batch].max() for batch in sampler(shards, window=4000))
    assert padded < 1.3 * shards.tokens.sum()


def test_sampler_makes_as_many_batches_where_texts_are_missing():
    shards = Shards(SIZES, without_text=30)
    one = sampler(shards)
    batches = list(one)
    assert len(batches) == len(one)
    assert len({row for batch in batches for row in batch}) == sum(max(1, size - 30) for size in SIZES)


def test_sampler_refuses_a_window_of_a_batch_rows_of_no_text_and_fewer_rows_than_processes():
    with pytest.raises(ParameterError, match="window: 8 given; it must be 16 or more: two batches"):
        sampler(Shards(SIZES), window=8)
    with pytest.raises(UserError, match="3 processes share 2 train rows"):
        sampler(Shards([2]), processes=3)
    with pytest.raises(UserError, match="data: 200 train rows, and 1 have a text; mend the shards"):
        list(sampler(Shards([200], without_text=199)))


def test_sampler_tells_when_an_epoch_is_over():
    ends = []
    batches = iter(sampler(Shards([64]), at_end=lambda: ends.append(1)))
    for _ in range(8):
        next(batches)
    assert not ends
    assert list(batches) == []
    assert ends == [1]

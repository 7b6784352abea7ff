from itertools import chain

import numpy as np
import pytest

from polyhead.data.samplers import LengthGroupedBatchSampler, LoaderSettings
from polyhead.errors import UserError
from polyhead.sources.mixing import Mixture

LENGTHS = np.random.default_rng(0).geometric(0.08, size=1003) + 2


def batches(epoch=0, **changes):
    settings = {"batch_size": 16, "bucket_batches": 10, "seed": 0, "shuffle": True} | changes
    sampler = LengthGroupedBatchSampler(LENGTHS, **settings)
    sampler.set_epoch(epoch)
    return list(sampler)


def padding(batches):
    return sum(len(b) * LENGTHS[b].max() for b in batches) / LENGTHS.sum() - 1


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("batch_size", [1, 16, 1003, 5000])
def test_every_row_stands_in_an_epoch_exactly_once(shuffle, batch_size):
    rows = batches(shuffle=shuffle, batch_size=batch_size)
    assert sorted(row for batch in rows for row in batch) == list(range(len(LENGTHS)))
    assert max(map(len, rows)) <= batch_size


def test_the_order_depends_on_seed_and_epoch_alone():
    assert batches(epoch=3) == batches(epoch=3)
    assert batches(epoch=3) != batches(epoch=4)
    assert batches(epoch=3, seed=1) != batches(epoch=3)


def test_the_order_of_an_epoch_does_not_depend_on_what_was_iterated_before():
    sampler = LengthGroupedBatchSampler(LENGTHS, 16, 10, seed=0, shuffle=True)
    for epoch in range(3):
        sampler.set_epoch(epoch)
        seen = list(sampler)
    assert seen == batches(epoch=2)


def test_batches_pad_little_and_their_order_is_random():
    plain, grouped = batches(bucket_batches=1), batches()
    assert padding(grouped) < padding(plain) / 4
    means = np.array([LENGTHS[batch].mean() for batch in grouped])
    assert abs(np.corrcoef(means[1:], means[:-1])[0, 1]) < 0.3


def test_without_shuffling_the_longest_come_first():
    longest = [LENGTHS[batch].max() for batch in batches(shuffle=False)]
    assert longest == sorted(longest, reverse=True)
    assert batches(shuffle=False, epoch=0) == batches(shuffle=False, epoch=5)


@pytest.mark.parametrize("rows", [1003, 96, 97, 33, 32, 3])
@pytest.mark.parametrize("processes", [2, 3])
def test_processes_share_what_one_would_see(rows, processes):
    def of(rank, count, size):
        sampler = LengthGroupedBatchSampler(LENGTHS[:rows], size, 10, 0, True, rank=rank, processes=count)
        assert len(sampler) == len(list(sampler))
        return list(sampler)

    ranks = [of(rank, processes, 16) for rank in range(processes)]
    assert len({len(rank) for rank in ranks}) == 1
    assert all(batch for rank in ranks for batch in rank)
    joint = [sorted(chain(*parts)) for parts in zip(*ranks, strict=True)]
    assert sorted(chain(*joint)) == list(range(rows))
    if rows % (16 * processes) in (0, *range(processes, 16 * processes)):  # no rest that joins another batch
        assert joint == [sorted(batch) for batch in of(0, 1, 16 * processes)]


def test_its_length_is_the_number_of_batches():
    for size in (1, 7, 16, 1002, 1003, 1004):
        sampler = LengthGroupedBatchSampler(LENGTHS, size, 10, 0, True)
        assert len(sampler) == len(list(sampler))


def test_no_rows_make_no_batches():
    sampler = LengthGroupedBatchSampler([], 16, 10, 0, True)
    assert len(sampler) == 0
    assert list(sampler) == []


def test_all_wrong_sizes_are_told_at_once():
    with pytest.raises(UserError) as caught:
        LoaderSettings(batch_size=0, evaluation_batch_size=-1, bucket_batches=0, seed=-1, workers=-1)
    keys = [line.split(":")[0] for line in str(caught.value).splitlines()]
    assert keys == [
        "loader.batch_size",
        "loader.evaluation_batch_size",
        "loader.bucket_batches",
        "seed",
        "loader.workers",
    ]


@pytest.mark.parametrize("processes", [1, 3])
def test_a_mixture_is_dealt_out_alike_however_many_processes_share_it(processes):
    mixture = Mixture(np.repeat([0, 1], [903, 100]), exponent=0.0)

    def epoch(number):
        shares = [
            batches(number, batch_size=48 // processes, rank=rank, processes=processes, mixture=mixture)
            for rank in range(processes)
        ]
        return [sorted(chain(*parts)) for parts in zip(*shares, strict=True)]

    rows = np.array(list(chain(*epoch(0))))
    assert len(rows) == 1003
    assert (rows >= 903).sum() == 501
    alone = batches(batch_size=48, mixture=mixture)
    assert epoch(0) == [sorted(batch) for batch in alone]
    assert epoch(0) != epoch(1)

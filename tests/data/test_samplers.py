from itertools import chain

import numpy as np
import pytest

from polyhead.data.samplers import LengthGroupedBatchSampler, LoaderSettings
from polyhead.errors import ParameterError
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
def test_sampler_gives_every_row_exactly_once_in_an_epoch(shuffle, batch_size):
    rows = batches(shuffle=shuffle, batch_size=batch_size)
    assert sorted(row for batch in rows for row in batch) == list(range(len(LENGTHS)))
    assert max(map(len, rows)) <= batch_size


def test_sampler_order_depends_on_seed_and_epoch_alone():
    assert batches(epoch=3) == batches(epoch=3)
    assert batches(epoch=3) != batches(epoch=4)
    assert batches(epoch=3, seed=1) != batches(epoch=3)


def test_sampler_order_does_not_depend_on_the_epochs_before():
    sampler = LengthGroupedBatchSampler(LENGTHS, 16, 10, seed=0, shuffle=True)
    for epoch in range(3):
        sampler.set_epoch(epoch)
        seen = list(sampler)
    assert seen == batches(epoch=2)


def test_sampler_begins_with_epoch_0():
    assert list(LengthGroupedBatchSampler(LENGTHS, 16, 10, seed=0, shuffle=True)) == batches(epoch=0)


@pytest.mark.parametrize("shuffle", [True, False])
def test_sampler_leaves_out_the_batches_to_skip_once(shuffle):
    sampler = LengthGroupedBatchSampler(LENGTHS, 16, 10, 0, shuffle)
    whole = list(sampler)
    sampler.skip = 5
    assert list(sampler) == whole[5:]
    assert list(sampler) == whole


@pytest.mark.parametrize(("seed", "epoch"), [(0, 0), (0, 3), (5, 1)])
@pytest.mark.parametrize("bucket_batches", [1, 10, 1000])
def test_sampler_order_is_that_of_every_version(seed, epoch, bucket_batches):
    """A run resumed in the middle of an epoch leaves out the batches that it was trained on, in this order."""
    random = np.random.default_rng([seed, epoch])
    rows, size = random.permutation(len(LENGTHS)).tolist(), bucket_batches * 16
    buckets = [sorted(rows[start : start + size], key=LENGTHS.__getitem__) for start in range(0, len(rows), size)]
    order = list(chain(*buckets))
    cut = [order[start : start + 16] for start in range(0, len(order), 16)]
    expected = [cut[batch] for batch in random.permutation(len(cut))]
    assert batches(epoch, seed=seed, bucket_batches=bucket_batches) == expected


def test_sampler_pads_little_in_random_order():
    plain, grouped = batches(bucket_batches=1), batches()
    assert padding(grouped) < padding(plain) / 4
    means = np.array([LENGTHS[batch].mean() for batch in grouped])
    # Of seven buckets one after the other, each sorted, the lengths of neighbors would go together.
    assert abs(np.corrcoef(means[1:], means[:-1])[0, 1]) < 0.3


def test_sampler_without_shuffling_gives_the_longest_first():
    rows = list(chain(*batches(shuffle=False)))
    assert rows == sorted(range(len(LENGTHS)), key=lambda row: -LENGTHS[row])  # a stable sort: ties keep their order
    assert batches(shuffle=False, epoch=0) == batches(shuffle=False, epoch=5)


@pytest.mark.parametrize("rows", [1003, 96, 97, 98, 33, 32, 3])
@pytest.mark.parametrize("processes", [2, 3])
def test_sampler_shares_out_the_batches_of_one_process(rows, processes):
    def of(rank, count, size):
        sampler = LengthGroupedBatchSampler(LENGTHS[:rows], size, 10, 0, True, rank=rank, processes=count)
        assert len(sampler) == len(list(sampler))
        return list(sampler)

    ranks = [of(rank, processes, 16) for rank in range(processes)]
    assert len({len(rank) for rank in ranks}) == 1
    assert all(batch for rank in ranks for batch in rank)
    joint = [sorted(chain(*parts)) for parts in zip(*ranks, strict=True)]
    assert sorted(chain(*joint)) == list(range(rows))
    assert max(map(len, joint)) < 16 * processes + processes  # a rest as long as that is a batch of its own
    if rows % (16 * processes) in (0, *range(processes, 16 * processes)):  # no rest that joins another batch
        assert joint == [sorted(batch) for batch in of(0, 1, 16 * processes)]


def test_sampler_of_fewer_rows_than_processes_loses_none():
    shares = [LengthGroupedBatchSampler([5, 6], 16, 10, 0, True, rank=rank, processes=3) for rank in range(3)]
    assert sorted(chain(*chain(*shares))) == [0, 1]


def test_sampler_length_is_the_number_of_batches():
    for size in (1, 7, 16, 1002, 1003, 1004):
        sampler = LengthGroupedBatchSampler(LENGTHS, size, 10, 0, True)
        assert len(sampler) == len(list(sampler))


def test_sampler_of_no_rows_makes_no_batches():
    sampler = LengthGroupedBatchSampler([], 16, 10, 0, True)
    assert len(sampler) == 0
    assert list(sampler) == []


VALID = {"batch_size": 1, "evaluation_batch_size": 1, "bucket_batches": 1, "seed": 0, "workers": 0}


def test_loader_settings_refuse_all_wrong_values_at_once():
    lowest = LoaderSettings(**VALID)
    with pytest.raises(ParameterError) as caught:
        LoaderSettings(**{name: value - 1 for name, value in vars(lowest).items() if name != "balance"})
    lines = str(caught.value).splitlines()
    assert [line.split(":")[0] for line in lines] == list(VALID)
    rules = [line.split("; ")[1] for line in lines]
    assert rules[:4] == ["it must be 1 or more"] * 3 + ["it must be 0 or more"]
    assert rules[4].startswith("it must be 0 to ")


@pytest.mark.parametrize("processes", [1, 3])
def test_sampler_shares_out_a_mixture_whatever_the_number_of_processes(processes):
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

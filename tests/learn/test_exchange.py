"""What several processes of a training add up to."""

from __future__ import annotations

import copy

import torch
from hypothesis import given
from hypothesis import strategies as st

from napari_retseg.learn.exchange import Exchange, Statistics


@given(
    n=st.integers(1, 40),
    batch=st.integers(1, 8),
    halvings=st.integers(0, 3),
    size=st.integers(1, 5),
)
def test_each_sample_is_computed_once_and_in_order(
    n: int, batch: int, halvings: int, size: int
) -> None:
    chunk = max(1, batch >> halvings)
    parts: list[slice] = []
    for rank in range(size):
        one = Exchange()
        one.rank, one.size = rank, size
        parts += one.cut(n, batch=batch, chunk=chunk)
    assert [k for part in parts for k in range(part.start, part.stop)] == list(range(n))
    assert all(part.stop - part.start <= chunk for part in parts)


def test_statistics_of_several_processes_are_those_of_one() -> None:
    torch.manual_seed(0)
    one = torch.nn.Sequential(torch.nn.BatchNorm2d(3), torch.nn.BatchNorm2d(3, momentum=0.3))
    one(torch.rand(4, 3, 5, 5))  # a step before
    first, second = copy.deepcopy(one), copy.deepcopy(one)
    batches, lessons = torch.rand(4, 2, 3, 5, 5), torch.rand(3, 2, 3, 5, 5)
    for batch in (*batches, *lessons):
        one(batch)
    marks = [Statistics(first), Statistics(second)]
    for network, statistics, parts in (
        (first, marks[0], (batches[:2], lessons[:1])),
        (second, marks[1], (batches[2:], lessons[1:])),
    ):
        for part in parts:
            for batch in part:
                network(batch)
            statistics.mark()
    told = [statistics.tell() for statistics in marks]
    for network, statistics in zip((first, second), marks, strict=True):
        statistics.take(told)
        for name, value in one.state_dict().items():
            torch.testing.assert_close(network.state_dict()[name], value)


def test_a_failed_try_leaves_no_statistics() -> None:
    network = torch.nn.BatchNorm2d(2)
    before = copy.deepcopy(network.state_dict())
    statistics = Statistics(network)
    network(torch.rand(2, 2, 3, 3))
    statistics.mark()
    statistics.reset()
    assert all(torch.equal(network.state_dict()[name], value) for name, value in before.items())
    assert len(statistics.tell()) == 1


def test_frozen_statistics_and_networks_without_any_are_left_alone() -> None:
    network = torch.nn.Sequential(torch.nn.BatchNorm2d(2).eval(), torch.nn.InstanceNorm2d(2))
    assert Statistics(network).tell().numel() == 0

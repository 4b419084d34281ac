from __future__ import annotations

import torch

from napari_retseg.learn.average import WeightAverage


def _layer(value: float) -> torch.nn.Module:
    norm = torch.nn.BatchNorm1d(2)
    torch.nn.init.constant_(norm.weight, value)
    return norm


def test_without_decay_it_is_the_network() -> None:
    average = WeightAverage(_layer(0), decay=0)
    average.update(_layer(3), step=1)
    assert average.network.weight.tolist() == [3, 3]


def test_it_moves_by_the_rest_of_the_decay() -> None:
    average = WeightAverage(_layer(0), decay=0.5)
    average.update(_layer(8), step=1000)
    assert average.network.weight.tolist() == [4, 4]


def test_early_steps_are_forgotten_faster() -> None:
    average = WeightAverage(_layer(0), decay=0.99)
    average.update(_layer(11), step=1)
    torch.testing.assert_close(average.network.weight.data, torch.full((2,), 10.0))


def test_statistics_and_counters_follow() -> None:
    network = _layer(0)
    average = WeightAverage(network, decay=0.5)
    network.running_mean.fill_(2)
    network.num_batches_tracked.fill_(7)
    average.update(network, step=1000)
    assert average.network.running_mean.tolist() == [1, 1]
    assert int(average.network.num_batches_tracked) == 7

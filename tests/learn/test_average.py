from __future__ import annotations

import pytest
import torch

from napari_retseg.learn.average import WeightAverage


def _layer(value: float) -> torch.nn.Module:
    norm = torch.nn.BatchNorm1d(2)
    torch.nn.init.constant_(norm.weight, value)
    return norm


def _values(network: torch.nn.Module, name: str) -> list[float]:
    return [float(x) for x in network.state_dict()[name].flatten()]


def test_without_decay_it_is_the_network() -> None:
    average = WeightAverage(_layer(0), decay=0)
    average.update(_layer(3), step=1)
    assert _values(average.network, "weight") == [3, 3]


def test_it_moves_by_the_rest_of_the_decay() -> None:
    average = WeightAverage(_layer(0), decay=0.5)
    average.update(_layer(8), step=1000)
    assert _values(average.network, "weight") == [4, 4]


def test_early_steps_are_forgotten_faster() -> None:
    average = WeightAverage(_layer(0), decay=0.99)
    average.update(_layer(11), step=1)
    assert _values(average.network, "weight") == pytest.approx([10, 10])


def test_statistics_and_counters_follow() -> None:
    network = _layer(0)
    average = WeightAverage(network, decay=0.5)
    network.state_dict()["running_mean"].fill_(2)
    network.state_dict()["num_batches_tracked"].fill_(7)
    average.update(network, step=1000)
    assert _values(average.network, "running_mean") == [1, 1]
    assert _values(average.network, "num_batches_tracked") == [7]

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError

from napari_retseg.config import TrainConfig
from napari_retseg.learn.ema import WeightAverage, mix, share_of_start


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


@pytest.mark.parametrize(
    ("n_samples", "share"),
    [(1, 0.8), (2, 0.8), (3, 0.4), (20, 0.4), (21, 0.15), (100, 0.15), (101, 0.0)],
)
def test_the_fewer_labels_the_more_of_the_start_is_kept(n_samples: int, share: float) -> None:
    assert share_of_start(TrainConfig(), n_samples=n_samples, start_dice=0.6) == share
    given = TrainConfig(keep_start=0.1)
    assert share_of_start(given, n_samples=n_samples, start_dice=0.6) == 0.1


@pytest.mark.parametrize("start_dice", [None, 0.4])
def test_nothing_is_kept_of_a_start_that_knows_too_little(start_dice: float | None) -> None:
    assert share_of_start(TrainConfig(), n_samples=1, start_dice=start_dice) == 0
    given = TrainConfig(keep_start=0.1)
    assert share_of_start(given, n_samples=1, start_dice=start_dice) == 0.1


def test_a_mix_lies_between_two_networks_and_changes_neither() -> None:
    trained, start = _layer(8), _layer(0)
    trained.state_dict()["running_mean"].fill_(4)
    trained.state_dict()["num_batches_tracked"].fill_(7)
    mixed = mix(trained, start, 0.25)
    assert _values(mixed, "weight") == [6, 6]
    assert _values(mixed, "running_mean") == [3, 3]
    assert _values(mixed, "num_batches_tracked") == [7]
    assert _values(trained, "weight") == [8, 8]
    assert _values(start, "weight") == [0, 0]
    assert mix(trained, start, 0) is trained


@pytest.mark.parametrize("share", ["0.3", 0, 0.99, "auto"])
def test_a_share_may_be_given(share: Any) -> None:
    kept = TrainConfig(keep_start=share).keep_start
    assert kept == (share if share == "auto" else float(share))


@pytest.mark.parametrize("share", [1, -0.1, "abc", "nan", None])
def test_what_is_no_share_is_one_error(share: Any) -> None:
    with pytest.raises(
        ValidationError, match=r"must be 'auto' or a number from 0 to below 1"
    ) as caught:
        TrainConfig(keep_start=share)
    assert caught.value.error_count() == 1

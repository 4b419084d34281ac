from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_retseg.config import NetworkConfig
from napari_retseg.events import CancelToken
from napari_retseg.infer.sliding import slide_planes
from napari_retseg.infer.windows import (
    gaussian_weights,
    plan_starts,
    plan_window,
    slide_windows,
)
from napari_retseg.nets.sizes import WHOLE_VOXELS
from tests.infer.networks import random_convolution


@given(length=st.integers(1, 300), window=st.integers(1, 120), overlap=st.floats(0, 0.9))
@settings(deadline=None)
def test_windows_cover_an_axis_with_the_overlap(length: int, window: int, overlap: float) -> None:
    starts = plan_starts(length, window, overlap)
    assert starts[0] == 0
    assert starts[-1] == max(0, length - window)
    steps = np.diff(starts)
    assert (steps >= 0).all()
    assert (steps <= max(1.0, window * (1 - overlap)) + 1).all()
    assert len(starts) <= max(0, length - window) / max(1.0, window * (1 - overlap)) + 2


def test_small_volumes_are_one_window() -> None:
    network = NetworkConfig(arch="basicunet")
    assert plan_window((35, 50, 33), network) == (48, 64, 48)
    assert plan_window((128, 128, 128), network) == (128, 128, 128)
    assert plan_window((20, 496, 768), network) == (32, 96, 96)
    deep = NetworkConfig(arch="dynunet", options={"strides": [1, 2, 2, 2, 2, 2, 2]})
    assert plan_window((200, 200, 200), deep) == (128, 128, 128)
    assert WHOLE_VOXELS == 128**3


def test_windows_have_the_size_of_the_training() -> None:
    network = NetworkConfig(arch="basicunet")
    for shape in ((20, 30, 25), (200, 300, 400)):
        assert plan_window(shape, network, trained=(48, 64, 48)) == (48, 64, 48)


@given(shape=st.tuples(*[st.integers(1, 130)] * 3))
def test_where_the_training_is_not_known_the_deepest_stage_keeps_27_voxels(
    shape: tuple[int, int, int],
) -> None:
    window = plan_window(shape, NetworkConfig(arch="basicunet"))
    deepest = [size // 16 for size in window]
    assert min(deepest) >= 2
    assert np.prod(deepest) >= 27


def test_weights_fall_off_from_the_middle() -> None:
    weights = gaussian_weights((16, 9, 8))
    assert weights.shape == (16, 9, 8)
    assert float(weights.max()) == pytest.approx(np.exp(-((0.5 / 2) ** 2 + (0.5 / 1) ** 2) / 2))
    assert weights.min() > 0
    row = weights[8, 4]
    torch.testing.assert_close(row, row.flip(0))
    # one sigma (an eighth of the size) further out it has fallen by exp(-(1.5^2 - 0.5^2) / 2)
    assert float(row[2] / row[3]) == pytest.approx(np.exp(-1.0), rel=1e-5)


def test_blending_is_the_weighted_mean_of_the_windows() -> None:
    generator = torch.Generator().manual_seed(0)
    volume = torch.rand(1, 20, 11, 9, generator=generator)
    network = random_convolution(3)
    window = (8, 8, 8)
    weights = gaussian_weights(window)
    summed, total = torch.zeros(3, *volume.shape[1:]), torch.zeros(volume.shape[1:])
    with torch.no_grad():
        for z in (0, 4, 8, 12):
            for y in (0, 3):
                for x in (0, 1):
                    place = (slice(z, z + 8), slice(y, y + 8), slice(x, x + 8))
                    summed[(slice(None), *place)] += (
                        network(volume[(slice(None), *place)]) * weights
                    )
                    total[place] += weights
        found = slide_windows(volume, network, window=window, overlap=0.5, batch_size=3)
    assert found is not None
    torch.testing.assert_close(found, summed / total)


def test_windows_do_not_show_where_the_network_sees_a_voxel_only() -> None:
    volume = torch.rand(1, 13, 21, 10, generator=torch.Generator().manual_seed(1))
    network = random_convolution(3, size=1)
    with torch.no_grad():
        found = slide_windows(volume, network, window=(8, 8, 16), overlap=0.25)
        torch.testing.assert_close(found, network(volume))


def test_overlap_decides_how_many_windows_there_are() -> None:
    volume = torch.zeros(1, 8, 8, 32)
    calls = []

    def network(windows: torch.Tensor) -> torch.Tensor:
        calls.append(len(windows))
        return windows

    for overlap in (0.0, 0.5, 0.75):
        calls.append(0)
        slide_windows(volume, network, window=(8, 8, 8), overlap=overlap, batch_size=2)
    assert calls == [0, 2, 2, 0, 2, 2, 2, 1, 0, 2, 2, 2, 2, 2, 2, 1]


def test_it_stops_between_windows() -> None:
    cancel = CancelToken()
    calls = []

    def network(windows: torch.Tensor) -> torch.Tensor:
        calls.append(1)
        cancel.cancel()
        return windows

    volume = torch.zeros(1, 8, 8, 32)
    assert slide_windows(volume, network, window=(8, 8, 8), overlap=0, cancel=cancel) is None
    assert len(calls) == 1


@pytest.mark.slow
def test_monai_blends_the_same() -> None:
    inferers = pytest.importorskip("monai.inferers")
    volume = torch.rand(1, 16, 24, 32, generator=torch.Generator().manual_seed(2))
    network = random_convolution(3)
    with torch.no_grad():
        ours = slide_windows(volume, network, window=(8, 8, 8), overlap=0.5)
        theirs = inferers.sliding_window_inference(
            volume[None], (8, 8, 8), 1, network, overlap=0.5, mode="gaussian"
        )
    assert ours is not None
    torch.testing.assert_close(ours, theirs[0], atol=1e-4, rtol=1e-4)


def test_windows_of_the_dme_study_begin_where_theirs_do() -> None:
    begun = []

    def network(windows: torch.Tensor) -> torch.Tensor:
        begun.append((int(windows[0, 1, 0, 0]), int(windows[0, 2, 0, 0])))
        return windows

    rows, columns = torch.meshgrid(torch.arange(512.0), torch.arange(512.0), indexing="ij")
    picture = torch.stack([torch.zeros(512, 512), rows, columns])[None]
    found = slide_planes(picture, network, window=(256, 256), stride=170)
    assert begun == [(y, x) for y in (0, 170, 256) for x in (0, 170, 256)]
    torch.testing.assert_close(found, picture)


def test_windows_of_a_plane_are_averaged_with_equal_weights() -> None:
    seen = iter([1.0, 4.0])

    def network(windows: torch.Tensor) -> torch.Tensor:
        padded = (*windows.shape[:-1], windows.shape[-1] + 3)
        return torch.full(padded, next(seen))

    found = slide_planes(torch.zeros(1, 1, 2, 6), network, window=(8, 4), stride=2)
    assert found[0, 0].tolist() == [[1, 1, 2.5, 2.5, 4, 4]] * 2

from __future__ import annotations

import numpy as np
import pytest

from napari_retseg.simulate.config import DEVICES
from napari_retseg.simulate.imaging import detect, draw_optics, speckle


@pytest.mark.parametrize("looks", [1.0, 4.0, 20.0])
@pytest.mark.parametrize("size_px", [(0.0, 0.0), (1.0, 1.5)])
def test_speckle_has_the_statistics_of_averaged_patterns(
    looks: float, size_px: tuple[float, float]
) -> None:
    field = speckle(np.random.default_rng(0), (300, 400), looks=looks, size_px=size_px)
    assert field.min() >= 0
    assert field.mean() == pytest.approx(1, abs=0.03)
    assert field.std() == pytest.approx(1 / np.sqrt(looks), rel=0.06)


def test_speckle_is_correlated_over_its_size() -> None:
    rng = np.random.default_rng(0)
    fine = speckle(rng, (300, 400), looks=4, size_px=(0, 0)) - 1
    coarse = speckle(rng, (300, 400), looks=4, size_px=(1.5, 1.5)) - 1
    neighbours = [(f[:, 1:] * f[:, :-1]).mean() / f.var() for f in (fine, coarse)]
    assert abs(neighbours[0]) < 0.02
    assert neighbours[1] > 0.7


def test_rolloff_dims_what_lies_deep() -> None:
    config = DEVICES["A"].model_copy(update={"rolloff": (12.0, 12.0)})
    rng = np.random.default_rng(0)
    optics = draw_optics(rng, config, axial_um=4, lateral_um=12)
    image = detect(rng, np.full((200, 100), 0.05, dtype=np.float32), optics).astype(float)
    # 12 dB are a factor of two on a fourth-root scale
    assert image[-20:].mean() < 0.65 * image[:20].mean()


@pytest.mark.parametrize("device", ["A", "B"])
def test_brighter_tissue_is_brighter_on_both_scales(device: str) -> None:
    rng = np.random.default_rng(0)
    optics = draw_optics(rng, DEVICES[device], axial_um=4, lateral_um=12)  # type: ignore[index]
    greys = [
        detect(rng, np.full((64, 64), grey**4, dtype=np.float32), optics).mean()
        for grey in (0.1, 0.3, 0.5, 0.7)
    ]
    assert greys == sorted(greys)
    assert greys[-1] > greys[0] + 40

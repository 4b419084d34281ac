"""Eyes that are drawn twice: other noise, another light, shifted and turned as we say."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.ndimage import gaussian_filter, map_coordinates

from napari_retseg.acquisition import Acquisition
from napari_retseg.classes import LabelSet
from napari_retseg.measures import lay_out
from napari_retseg.scan import FUNDUS_KIND, FUNDUS_UM, Laterality, OctScan

LAYERS = ["NFL", "OPL", "ONL", "RPE"]
CLASSES = LabelSet.from_names(LAYERS)
AXIAL_UM, SLO_UM, FIELD_MM = 4.0, 15.0, 9.0
N_BSCANS, WIDTH, DEPTH, LENGTH_MM = 49, 128, 128, 6.0
_FINE_MM, _HALF_MM = 0.02, 8.0
#: Where a cyst lies, and half its height.
_CYST_MM, _CYST_UM = (0.7, 0.5), 30.0
#: Labels of a whole visit lie so much too high or too low, and a cyst is so much too wide.
_OFFSET_UM, _CYST_NOISE = 0.2, 0.01


@dataclass(frozen=True)
class Pose:
    """How the eye lies in a visit: 1 mm of the eye has `scale` mm, clockwise by `turn_deg`."""

    turn_deg: float = 0.0
    shift_mm: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0

    @property
    def matrix(self) -> np.ndarray:
        cos, sin = np.cos(np.deg2rad(self.turn_deg)), np.sin(np.deg2rad(self.turn_deg))
        found: np.ndarray = self.scale * np.array([[cos, -sin], [sin, cos]])
        return found

    def see(self, eye_mm: np.ndarray) -> np.ndarray:
        """Where places of the eye, (2, ...), lie in this visit; its fovea near the middle."""
        middle = np.array([FIELD_MM / 2 + s for s in self.shift_mm])
        moved: np.ndarray = np.tensordot(self.matrix, eye_mm, axes=1)
        moved += middle.reshape(2, *(1,) * (eye_mm.ndim - 1))
        return moved

    def find(self, seen_mm: np.ndarray) -> np.ndarray:
        """Which places of the eye lie there; the fovea is (0, 0)."""
        middle = np.array([FIELD_MM / 2 + s for s in self.shift_mm])
        away = seen_mm - middle.reshape(2, *(1,) * (seen_mm.ndim - 1))
        found: np.ndarray = np.tensordot(np.linalg.inv(self.matrix), away, axes=1)
        return found


class Eye:
    """Vessels and layers of an eye, from a seed."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        count = round(2 * _HALF_MM / _FINE_MM)
        picture = np.zeros((count, count))
        for _ in range(16):
            self._draw_vessel(rng, picture)
        wide = gaussian_filter(picture, 2.0)
        self.vessels = np.minimum(wide / wide.max() * 3, 1)
        self.waves = rng.normal(scale=0.8, size=(2, 12)), rng.uniform(0, 2 * np.pi, 12)

    @staticmethod
    def _draw_vessel(rng: np.random.Generator, picture: np.ndarray) -> None:
        """A line that wanders, and keeps away from the fovea."""
        at, heading = rng.uniform(-7, 7, 2), rng.uniform(0, 2 * np.pi)
        weight = rng.uniform(0.5, 2.0)
        for bend in gaussian_filter(rng.normal(0, 0.35, 700), 8):
            heading += bend
            at = at + 0.02 * np.array([np.cos(heading), np.sin(heading)])
            column, row = np.round((at + _HALF_MM) / _FINE_MM).astype(int)
            if np.hypot(*at) > 0.4 and min(row, column) >= 0 and max(row, column) < len(picture):
                picture[row, column] += weight

    def see_vessels(self, eye_mm: np.ndarray) -> np.ndarray:
        x, y = (eye_mm + _HALF_MM) / _FINE_MM
        found: np.ndarray = map_coordinates(self.vessels, [y, x], order=1, mode="nearest")
        return found

    def thickness_um(self, eye_mm: np.ndarray) -> np.ndarray:
        """NFL, GCL to OPL, ONL and RPE, (4, ...)."""
        away = np.hypot(*eye_mm)
        rim = 1 - np.exp(-((away / 0.75) ** 2))
        (wx, wy), phases = self.waves
        waves = sum(
            np.cos(a * eye_mm[0] + b * eye_mm[1] + p)
            for a, b, p in zip(wx, wy, phases, strict=True)
        )
        inner = (20 + 120 * rim * np.exp(-away / 8)) * (1 + 0.01 * waves)
        return np.stack([0.45 * inner, 0.55 * inner, 90 - 10 * rim, np.full_like(inner, 30.0)])


def visit(
    eye: Eye,
    pose: Pose,
    seed: int,
    *,
    grown_um: float = 0.0,
    thicken: Callable[[np.ndarray], np.ndarray] | None = None,
    cyst_nl: float = 0.0,
    noise_um: float = 0.0,
    with_slo: bool = True,
    laterality: Laterality = "OD",
    patient: str | None = None,
) -> tuple[OctScan, np.ndarray]:
    """A scan and labels of one visit; `grown_um` thicker within 0.9 mm to the right.

    `thicken` says by how many um the ONL is thicker at a place of the eye. With `noise_um`, labels
    have errors: each boundary wanders along the B-scan by so much (SD).
    """
    rng = np.random.default_rng(seed)
    places = _place_bscans()
    scan = OctScan(
        pixels=np.zeros((N_BSCANS, DEPTH, WIDTH), np.uint8),
        axes=("bscan", "depth", "width"),
        spacing_um=(LENGTH_MM / N_BSCANS * 1000, AXIAL_UM, LENGTH_MM / WIDTH * 1000),
        spacing_source="file",
        laterality=laterality,
        patient_key=patient,
        acquisition=Acquisition(positions_mm=places),
    )
    grid = lay_out(scan)
    assert grid is not None
    at = pose.find(grid.places_mm())
    thickness = eye.thickness_um(at)
    thickness[2] += grown(at, grown_um) + (0 if thicken is None else thicken(at))
    rows = (
        20 + np.cumsum(np.concatenate([np.zeros((1, *at.shape[1:])), thickness]), axis=0) / AXIAL_UM
    )
    rows = rows + _draw_errors(rng, rows.shape, noise_um) / AXIAL_UM
    labels = np.zeros((N_BSCANS, DEPTH, WIDTH), np.uint8)
    depth = np.arange(DEPTH)[:, np.newaxis]
    # a boundary between two rows falls to either by chance, so that means keep parts of a pixel
    edges = np.floor(rows + rng.random(rows.shape))
    for value, (upper, lower) in enumerate(pairwise(edges), start=1):
        for k in range(N_BSCANS):
            labels[k][(depth >= upper[k]) & (depth < lower[k])] = value
    if cyst_nl:
        radius_mm = np.sqrt(3 * cyst_nl / (4 * np.pi * _CYST_UM))
        radius_mm *= 1 + rng.normal(0, _CYST_NOISE) * (noise_um > 0)
        middle = (rows[2] + rows[3])[:, np.newaxis] / 2
        away = np.hypot(at[0] - _CYST_MM[0], at[1] - _CYST_MM[1])[:, np.newaxis] / radius_mm
        labels[np.hypot(away, (depth - middle) * AXIAL_UM / _CYST_UM) < 1] = 5
    shade = 1 - 0.5 * eye.see_vessels(at)
    grey = np.array([30, 140, 90, 60, 220, 25])[labels] * shade[:, np.newaxis]
    pixels = np.clip(grey * rng.gamma(6, 1 / 6, grey.shape), 0, 255).astype(np.uint8)
    changes: dict[str, Any] = {"pixels": pixels}
    if with_slo:
        changes |= {
            "fundus": _draw_slo(eye, pose, rng),
            "metadata": {FUNDUS_UM: (SLO_UM, SLO_UM), FUNDUS_KIND: "SLO"},
        }
    return replace(scan, **changes), labels


def _draw_errors(rng: np.random.Generator, shape: tuple[int, ...], noise_um: float) -> np.ndarray:
    """What labels err by, in um: waves along each B-scan, and an offset of the whole visit."""
    if not noise_um:
        return np.zeros(shape)
    waves = gaussian_filter(rng.normal(size=shape), (0, 0, 1), mode="wrap")
    offsets: np.ndarray = rng.normal(0, _OFFSET_UM, (shape[0], 1, 1))
    errors: np.ndarray = noise_um * waves / waves.std() + offsets
    return errors


def grown(eye_mm: np.ndarray, most_um: float) -> np.ndarray:
    """A smooth hill of 1 mm beside the fovea."""
    hill: np.ndarray = most_um * np.exp(-(((eye_mm[0] - 1.0) ** 2 + eye_mm[1] ** 2) / 0.5**2))
    return hill


def _place_bscans() -> tuple[tuple[float, float, float, float], ...]:
    middle, half = FIELD_MM / 2, LENGTH_MM / 2
    between = LENGTH_MM / N_BSCANS
    heights = middle + half - between * (np.arange(N_BSCANS) + 0.5)
    return tuple((middle - half, float(h), middle + half, float(h)) for h in heights)


def _draw_slo(eye: Eye, pose: Pose, rng: np.random.Generator) -> np.ndarray:
    count = round(FIELD_MM * 1000 / SLO_UM)
    line = (np.arange(count) + 0.5) * SLO_UM / 1000
    places = np.stack(np.meshgrid(line, line))
    light = 1 + 0.3 * np.cos(places[0] / 3 + rng.uniform(0, 6)) * np.cos(places[1] / 3)
    image = 120 * light * (1 - 0.45 * eye.see_vessels(pose.find(places)))
    noisy: np.ndarray = np.clip(image + rng.normal(0, 18, image.shape), 0, 255)
    return noisy.astype(np.uint8)

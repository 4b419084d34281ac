"""One simulated eye in several visits: the same retina, scanned elsewhere and with other noise."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates

from napari_retseg.simulate.attenuation import Vessel, draw_gain
from napari_retseg.simulate.choroid import Choroid
from napari_retseg.simulate.field import Map
from napari_retseg.simulate.gaze import Sight, lay_out_scan
from napari_retseg.simulate.parameters import ScanParameters
from napari_retseg.simulate.scene import Scene, draw_motion
from napari_retseg.simulate.spots import Cyst, Focus
from napari_retseg.simulate.strata import build_strata
from napari_retseg.simulate.vitreous import Opacity
from napari_retseg.simulate.volume import SimulatedVolume
from napari_retseg.visits import Registration

Floats = NDArray[np.floating]
_Placed = TypeVar("_Placed", Cyst, Focus, Opacity)

#: The eye is laid out on lines so far apart, and so much farther than a scan reaches.
_STEP_UM, _MARGIN_UM = 60.0, 500.0
#: A B-scan of a visit runs across the eye's choroid in steps of this.
_LEVEL_UM = 30.0
#: Random parts of a scan that differ from one visit to the next.
_OTHERS = frozenset(
    {
        *("speckle", "mottle", "jitter", "disturb", "streaks", "fray", "shading", "motion"),
        *("blank of one", "dots", "opacities of one"),
    }
)


@dataclass(frozen=True)
class Pose:
    """How an eye lies in a visit.

    Attributes
    ----------
    turn_deg
        Rotation of the scan on the eye.
    shift_um
        Where the scan's middle lies on the eye, across the B-scans and along them.
    scale
        Length in the scan of 1 mm of the eye.
    """

    turn_deg: float = 0.0
    shift_um: tuple[float, float] = (0.0, 0.0)
    scale: float = 1.0

    def find(self, y_um: Map, x_um: Map) -> tuple[Floats, Floats]:
        """Return where places of the scan lie on the eye, across and along."""
        cos, sin = self._turn()
        return (
            (y_um * cos + x_um * sin) / self.scale + self.shift_um[0],
            (x_um * cos - y_um * sin) / self.scale + self.shift_um[1],
        )

    def see(self, y_um: float, x_um: float) -> tuple[float, float]:
        """Return where a place of the eye lies in the scan, across and along."""
        cos, sin = self._turn()
        y, x = ((a - b) * self.scale for a, b in zip((y_um, x_um), self.shift_um, strict=True))
        return y * cos - x * sin, x * cos + y * sin

    def _turn(self) -> tuple[float, float]:
        return float(np.cos(np.deg2rad(self.turn_deg))), float(np.sin(np.deg2rad(self.turn_deg)))


def find_registration(before: Pose, after: Pose) -> Registration:
    """Return where each place of a visit lies in another, as they are laid out without positions.

    On the fundus B-scans run upwards there, so that a pose turns the other way round.
    """
    shifts = [complex(along, -across) / 1000 for across, along in (before.shift_um, after.shift_um)]
    moved = (shifts[0] - shifts[1]) * after.scale * np.exp(1j * np.deg2rad(after.turn_deg))
    return Registration(
        turn_deg=after.turn_deg - before.turn_deg,
        scale=after.scale / before.scale,
        pivot_mm=(0.0, 0.0),
        moved_mm=(float(moved.real), float(moved.imag)),
        similarity=1.0,
        rival=0.0,
        lead=1.0,
        overlap=1.0,
        kind="as drawn",
    )


class _Again(ScanParameters):
    """A scan of one of the visits: other noise than in the others."""

    visit: int

    def stream(self, name: str, number: int = 0) -> np.random.Generator:
        if name not in _OTHERS:
            return super().stream(name, number)
        part = zlib.crc32(name.encode())
        return np.random.default_rng([self.seed, self.index, part, number, self.visit])


class _Choroid(Choroid):
    """The choroid of an eye as a visit crosses it."""

    def __init__(self, eye: Scene, pose: Pose) -> None:
        self._eye, self._pose = eye, pose

    def texture(self, y_um: float, x_um: Map) -> Map:
        """Brightness below Bruch's membrane, where the visit's places lie on the eye."""
        x_there = self._eye.sight.grid.x_um
        y, x = self._pose.find(np.full_like(x_um, y_um), x_um)
        x = np.clip(x, x_there[0], x_there[-1])
        levels = np.rint(y / _LEVEL_UM)
        parts = {
            level: self._eye.choroid.texture(float(level * _LEVEL_UM), x[levels == level])
            for level in np.unique(levels)
        }
        texture = np.empty((len(next(iter(parts.values()))), len(x_um)), np.float32)
        for level, part in parts.items():
            texture[:, levels == level] = part
        return texture


class Eye:
    """A simulated eye that can be scanned again.

    Parameters
    ----------
    drawn
        Of one scan of it, a raster; the others have the same pixels.
    """

    def __init__(self, drawn: ScanParameters) -> None:
        self.drawn = drawn
        lateral = drawn.lateral_um
        reach_um = drawn.n_bscans * drawn.bscan_um + 2 * _MARGIN_UM
        wider = drawn.width + 2 * round(_MARGIN_UM / lateral)
        n_lines = max(2, round(reach_um / _STEP_UM))
        self._scene = Scene.of(
            drawn.model_copy(update={"n_bscans": n_lines, "bscan_um": _STEP_UM, "width": wider})
        )

    def scan(self, pose: Pose, visit: int) -> SimulatedVolume:
        """Scan the eye; another number of the visit is other noise."""
        drawn = _Again.model_validate({**self.drawn.model_dump(), "visit": visit})
        scene = self._turn(drawn, lay_out_scan(drawn), pose)
        bscans = [scene.render(index) for index in range(drawn.n_bscans)]
        pixels, labels = (np.stack(part) for part in zip(*bscans, strict=True))
        return SimulatedVolume(pixels=pixels, labels=labels, parameters=drawn)

    def _turn(self, drawn: ScanParameters, sight: Sight, pose: Pose) -> Scene:
        """Lay the scan on the eye: maps are interpolated, and what has a place moves there."""
        eye, grid = self._scene, sight.grid
        there = eye.sight.grid
        y, x = pose.find(grid.y_um, grid.x_um)
        lateral = eye.sight.lateral_um
        places = np.stack(
            [(y - there.y_um[0, 0]) / _STEP_UM, (x - there.x_um[0]) / lateral],
        )

        def take(plane: Map) -> Map:
            found: Map = map_coordinates(plane, places, order=1, mode="nearest")
            return found

        moved, aside = draw_motion(drawn, sight)
        heights = np.stack([take(one) for one in eye.strata.heights_um])
        return replace(
            eye,
            drawn=drawn,
            sight=sight,
            axial_um=moved,
            lateral_px=aside,
            choroid=_Choroid(eye, pose),
            strata=build_strata(heights, take(eye.strata.edges_um[-1])),
            greys=np.stack([take(one) for one in eye.greys]),
            nerve=(take(eye.nerve) > 0.5).astype(np.float32),
            lost=take(eye.lost),
            cysts=tuple(_move(one, pose) for one in eye.cysts),
            foci=tuple(_move(one, pose) for one in eye.foci),
            opacities=tuple(_move(one, pose) for one in eye.opacities),
            vessels=tuple(_turn_vessel(one, there.y_um, grid.y_um, pose) for one in eye.vessels),
            lines=tuple(
                replace(one, above_um=take(one.above_um), grey=take(one.grey)) for one in eye.lines
            ),
            gain_db=draw_gain(drawn, sight),
        )


def _move(one: _Placed, pose: Pose) -> _Placed:
    y_um, x_um = pose.see(one.y_um, one.x_um)
    return replace(one, y_um=y_um, x_um=x_um)


def _turn_vessel(vessel: Vessel, there_um: Map, here_um: Map, pose: Pose) -> Vessel:
    """A vessel is a straight line: where it crosses the B-scans of a visit."""
    ends = [
        pose.see(float(there_um[k, 0]), float(vessel.path_um[k])) for k in (0, len(there_um) - 1)
    ]
    (y0, x0), (y1, x1) = ends
    path = x0 + (x1 - x0) / (y1 - y0) * (here_um[:, 0] - y0)
    return replace(vessel, path_um=path.astype(np.float32))

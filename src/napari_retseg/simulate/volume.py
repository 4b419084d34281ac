"""One simulated volume: draw an eye, its disease and a device, then render B-scan by B-scan."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from napari_retseg.scan import OctScan
from napari_retseg.simulate.anatomy import INL, draw_eye, place
from napari_retseg.simulate.bands import (
    BAND_LABELS,
    CHOROID,
    FLUID,
    SUBRETINAL,
    draw_bands,
    draw_greys,
    split_bands,
)
from napari_retseg.simulate.choroid import Choroid
from napari_retseg.simulate.config import MotionConfig, SimulatorConfig
from napari_retseg.simulate.disease import (
    Cyst,
    Focus,
    draw_disease,
    draw_foci,
    stack_surfaces,
)
from napari_retseg.simulate.field import Grid, Map
from napari_retseg.simulate.imaging import Optics, detect, draw_optics
from napari_retseg.simulate.vessels import Vessel, cast_shadows, draw_vessels

_LATERAL_REACH = 4
_RIM_UM = 7.0


@dataclass(frozen=True)
class SimulatedVolume:
    """A volume with its exact labels.

    Parameters
    ----------
    scan
        Pixels ``(bscan, depth, width)``, uint8, with spacing.
    labels
        Values of `classes.RETINA`, same shape, uint8.
    surfaces_px
        The nine surfaces of `stack_surfaces` in pixels from the top of the image, as the labels
        were made from them, shape ``(bscan, 9, width)``, float32.
    config, seed
        What made it: the same again gives the same bytes.
    """

    scan: OctScan
    labels: NDArray[np.uint8]
    surfaces_px: Map
    config: SimulatorConfig
    seed: int


@dataclass(frozen=True)
class _Scene:
    """Everything that was drawn for a volume, margins included, before the eye moves."""

    grid: Grid
    surfaces_um: Map
    greys: Map
    cysts: tuple[Cyst, ...]
    foci: tuple[Focus, ...]
    vessels: tuple[Vessel, ...]
    optics: Optics
    right: bool


@dataclass(frozen=True)
class _Motion:
    """Where the eye is at each B-scan: depth in um, A-scans to the side; shapes ``(bscan,)``."""

    axial_um: Map
    lateral_px: NDArray[np.intp]


def simulate_volume(config: SimulatorConfig, seed: int) -> SimulatedVolume:
    """Simulate an OCT volume with labels.

    Parameters
    ----------
    config
        Device, size, and the ranges from which the eye is drawn.
    seed
        The same configuration and seed give identical bytes.
    """
    rng = np.random.default_rng(seed)
    scene = _draw_scene(rng, config)
    motion = _draw_motion(rng, scene, config.motion)
    shape = (config.n_bscans, config.depth, config.width)
    pixels, labels = np.empty(shape, dtype=np.uint8), np.empty(shape, dtype=np.uint8)
    surfaces = np.empty((config.n_bscans, 9, config.width), dtype=np.float32)
    choroid = Choroid(rng, scene.grid, penetration_um=scene.optics.penetration_um)
    for index in range(config.n_bscans):
        view = _View.of(scene, motion, index)
        surfaces[index] = view.surfaces_px
        signal, labels[index] = _draw_bscan(scene, view, choroid.next_texture(rng)[:, view.columns])
        pixels[index] = detect(rng, signal, scene.optics)
    scan = OctScan(
        pixels=pixels,
        axes=("bscan", "depth", "width"),
        spacing_um=config.spacing_um,
        spacing_source="file",
        laterality="OD" if scene.right else "OS",
        device=f"simulated {config.device}",
        bscans_declared=config.n_bscans,
        metadata={"simulated": True, "seed": seed},
    )
    return SimulatedVolume(scan=scan, labels=labels, surfaces_px=surfaces, config=config, seed=seed)


def _draw_scene(rng: np.random.Generator, config: SimulatorConfig) -> _Scene:
    between, axial, lateral = config.spacing_um
    reach = _LATERAL_REACH * config.motion.jump_lateral_um / lateral
    grid = Grid.build(
        (between, axial, lateral),
        n_bscans=config.n_bscans,
        depth=config.depth,
        width=config.width,
        margin=int(np.ceil(reach)),
    )
    eye = draw_eye(rng, grid, config.anatomy)
    disease = draw_disease(rng, grid, eye, config.disease)
    retina = disease.thickness_um.sum(axis=0) + disease.subretinal_um
    bruch = place(rng, grid, shape_um=eye.shape_um, retina_um=retina)
    optics = draw_optics(rng, config.optics, axial_um=axial, lateral_um=lateral)
    return _Scene(
        grid=grid,
        surfaces_um=stack_surfaces(bruch, disease),
        greys=draw_greys(rng, grid, contrast=optics.layer_contrast),
        cysts=disease.cysts,
        foci=draw_foci(rng, disease, limits=config.disease.foci),
        vessels=draw_vessels(rng, grid, limits=config.vessels, fovea_um=eye.fovea_um),
        optics=optics,
        right=eye.right,
    )


def _draw_motion(rng: np.random.Generator, scene: _Scene, config: MotionConfig) -> _Motion:
    """Drift that returns to the middle, and saccades, within what the image can show."""
    grid = scene.grid
    axial, lateral = np.zeros(grid.shape[0]), np.zeros(grid.shape[0])
    for index in range(1, len(axial)):
        axial[index] = 0.95 * axial[index - 1] + rng.normal(0, config.drift_um)
        lateral[index] = 0.8 * lateral[index - 1]
        if rng.random() < config.jump:
            axial[index] += rng.normal(0, config.jump_axial_um)
            lateral[index] += rng.normal(0, config.jump_lateral_um)
    top, bottom = scene.surfaces_um[0].min(axis=1), scene.surfaces_um[-1].max(axis=1)
    room_up, room_down = np.maximum(top, 0), np.maximum(grid.depth_um - bottom, 0)
    lateral_um = float(grid.x_um[1] - grid.x_um[0])
    steps = np.clip(np.rint(lateral / lateral_um), -grid.margin, grid.margin)
    return _Motion(
        axial_um=np.clip(axial, -room_up, room_down).astype(np.float32),
        lateral_px=steps.astype(np.intp),
    )


@dataclass(frozen=True)
class _View:
    """One B-scan as the moving eye shows it."""

    index: int
    columns: slice
    surfaces_px: Map
    edges_px: Map

    @classmethod
    def of(cls, scene: _Scene, motion: _Motion, index: int) -> _View:
        """Cut out what is in view of one B-scan."""
        first = scene.grid.margin + int(motion.lateral_px[index])
        columns = slice(first, first + scene.grid.width)
        surfaces_um = scene.surfaces_um[:, index, columns] + motion.axial_um[index]
        surfaces_px = surfaces_um / np.float32(scene.grid.axial_um)
        edges_px = split_bands(surfaces_um) / np.float32(scene.grid.axial_um)
        return cls(index=index, columns=columns, surfaces_px=surfaces_px, edges_px=edges_px)


def _draw_bscan(scene: _Scene, view: _View, choroid: Map) -> tuple[Map, NDArray[np.uint8]]:
    """Linear signal and labels of one B-scan, both ``(depth, width)``."""
    grid = scene.grid
    bands = draw_bands(view.edges_px, grid.depth)
    labels: NDArray[np.uint8] = BAND_LABELS[bands]
    columns = np.arange(grid.width)
    grey = scene.greys[:, view.index, view.columns][bands, columns]
    below = bands == CHOROID
    rows, below_columns = np.nonzero(below)
    first_row = np.argmax(below, axis=0)
    grey[rows, below_columns] *= choroid[rows - first_row[below_columns], below_columns]
    _add_foci(grey, scene, view)
    for cyst in scene.cysts:
        _add_cyst(grey, labels, cyst, scene=scene, view=view)
    signal = np.square(np.square(grey))
    cast_shadows(
        signal,
        scene.vessels,
        bscan=view.index,
        x_um=grid.x_um[view.columns],
        top_px=view.surfaces_px[0],
        bottom_px=view.surfaces_px[INL],
    )
    return signal, labels


def _add_cyst(
    grey: Map, labels: NDArray[np.uint8], cyst: Cyst, *, scene: _Scene, view: _View
) -> None:
    """Fill one cyst with fluid, in place; a rim of tissue keeps it inside the neural retina."""
    grid = scene.grid
    half = cyst.half_height(grid.y_um[view.index], grid.x_um[view.columns]) / grid.axial_um
    inside = np.flatnonzero(half > 0)
    if len(inside) == 0:
        return
    part = slice(inside[0], inside[-1] + 1)
    surfaces = view.surfaces_px[:, part]
    middle = surfaces[cyst.host] + cyst.level * (surfaces[cyst.host + 1] - surfaces[cyst.host])
    rim = np.float32(_RIM_UM / grid.axial_um)
    top = np.maximum(middle - half[part], surfaces[0] + rim)
    bottom = np.minimum(middle + half[part], surfaces[5] - rim)
    centres = (np.arange(grid.depth, dtype=np.float32) + 0.5)[:, None]
    fluid = (centres >= top) & (centres < bottom)
    labels[:, part][fluid] = FLUID
    greys = scene.greys[SUBRETINAL, view.index, view.columns][part]
    grey[:, part][fluid] = np.broadcast_to(greys, fluid.shape)[fluid]


def _add_foci(grey: Map, scene: _Scene, view: _View) -> None:
    """Draw the bright foci of one B-scan, in place."""
    grid = scene.grid
    y_um, x_um = float(grid.y_um[view.index, 0]), grid.x_um[view.columns]
    for focus in scene.foci:
        column = int(np.argmin(np.abs(x_um - focus.x_um)))
        if abs(y_um - focus.y_um) > focus.reach_um or column in (0, len(x_um) - 1):
            continue
        surfaces = view.surfaces_px[:, column]
        row = surfaces[1] + focus.level * (surfaces[5] - surfaces[1])
        rows = (np.arange(grid.depth, dtype=np.float32)[:, None] - row) * grid.axial_um
        spot = np.exp(-0.5 * (rows**2 + (x_um - focus.x_um) ** 2) / focus.radius_um**2)
        np.maximum(grey, focus.grey * spot, out=grey)

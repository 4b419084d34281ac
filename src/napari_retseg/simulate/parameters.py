"""One draw from the ranges: every number of a simulated scan but its random fields.

The fields are those of the models in `ranges`, with one value instead of a range. A draw and the
streams that it seeds give the same bytes again, from (seed, index) or from the draw's own JSON.
"""

from __future__ import annotations

import zlib
from typing import Literal

import numpy as np

from napari_retseg.config import Frozen
from napari_retseg.simulate.distributions import draw_values
from napari_retseg.simulate.ranges import DiseaseRanges, LabelSetName, SimulatorConfig

#: No image shows less of the eye than this in depth; its pixels become larger instead.
SMALLEST_DEPTH_UM = 900.0


class Gaze(Frozen):
    """Where one scan lies on the retina, see `GazeRanges`."""

    right: bool
    through_fovea: bool
    across_um: float
    along_um: float
    at_disc: bool
    ring: bool
    ring_radius_um: float
    disc_um: float
    disc_radius_um: float
    disc_up_um: float


class Anatomy(Frozen):
    """One healthy retina, see `AnatomyRanges`."""

    thickness: float
    nfl: float
    gcl_ipl: float
    inl: float
    opl: float
    onl_ism: float
    ise: float
    os_rpe: float
    pit_depth: float
    no_pit: bool
    pit_radius: float
    towards_disc: float
    cup_um: float
    undulation: float
    bumps: float
    tilt: float
    curvature_per_mm: float
    myopic: bool
    myopic_per_mm: float
    waves_um: float
    height: float
    choroid_um: float
    vessels: int


class Disease(Frozen):
    """What is wrong with one eye, see `DiseaseRanges`."""

    ill: bool
    swelling: bool
    swellings: int
    swelling_amount: float
    swelling_um: float
    cysts: bool
    cyst_count: int
    cyst_um: float
    cyst_aspect: float
    cyst_spread_um: float
    pockets: bool
    pocket_count: int
    pocket_height_um: float
    pocket_um: float
    pocket_inner: float
    foveal_cyst: bool
    foveal_cyst_height_um: float
    foveal_cyst_um: float
    septa: int
    fluid_grey: float
    rim_grey: float
    subretinal: bool
    subretinal_height_um: float
    subretinal_um: float
    detachment: bool
    detachment_height_um: float
    detachment_um: float
    detachment_grey: float
    drusen: bool
    drusen_count: int
    drusen_height_um: float
    foci: bool
    foci_count: int
    exudates: bool
    exudate_count: int
    membrane: bool
    hyaloid: bool
    atrophy: bool
    atrophy_um: float
    dim_photoreceptors: bool
    opacities: bool = False
    opacity_count: int = 0
    opacity_um: float = 0.0
    opacity_grey: float = 0.0
    edema: bool = False
    edema_height_um: float = 0.0
    edema_um: float = 0.0
    edema_grey: float = 1.0
    walls: int = 0
    bruch_seen: bool = False
    bruch_grey: float = 0.0


class Greys(Frozen):
    """Brightness of the bands of one scan, see `GreyRanges`."""

    vitreous: float
    nfl: float
    gcl: float
    ipl: float
    inl: float
    opl: float
    henle: float
    onl: float
    elm: float
    myoid: float
    ez: float
    gap: float
    iz: float
    rpe: float
    choroid: float
    texture: float
    mottle: float
    raggedness_um: float


class Optics(Frozen):
    """One device in one state, see `OpticsRanges`."""

    blur_depth_um: float
    blur_width_um: float
    defocus: bool
    looks: float
    speckle_depth: float
    speckle_width: float
    noise: float
    noise_size: float
    subtracted: float
    haze: float
    attenuation_db: float
    rolloff_db: float
    shading_db: float
    streaks_db: float
    vessel_shadow: float
    scale: str
    range_db: float
    gamma: float
    black: float
    white: float
    coarse: bool
    levels: int
    jpeg: bool
    quality: float


class Artefacts(Frozen):
    """What else went wrong in one scan, see `ArtefactRanges`."""

    corners: bool
    corner_grey: str
    corner_slope: float
    corner_top: float
    corner_bottom: float
    bars: bool
    mirror: bool
    clipped: bool
    jitter: bool
    jitter_um: float
    glare: bool
    blink: bool
    lines: bool
    drift_um: float
    jump_um: float
    jump_chance: float
    marks: bool = False


class Lines(Frozen):
    """Where the layers' lines lie in one scan, see `LineRanges`."""

    nfl_um: float
    gcl_ipl_um: float
    inl_um: float
    onl_ism_um: float
    ise_um: float
    bruch_um: float


class ScanParameters(Frozen):
    """All parameters of one simulated volume or B-scan."""

    seed: int
    index: int
    device: str
    n_bscans: int
    depth: int
    width: int
    axial_um: float
    lateral_um: float
    bscan_um: float
    disc_labels: Literal["background", "ignore"]
    label_set: LabelSetName = "retina"
    gaze: Gaze
    anatomy: Anatomy
    disease: Disease
    greys: Greys
    lines: Lines
    optics: Optics
    artefacts: Artefacts

    def stream(self, name: str, number: int = 0) -> np.random.Generator:
        """Random numbers for one part; parts do not disturb each other."""
        return _stream(self.seed, self.index, name, number)


def draw_parameters(config: SimulatorConfig, seed: int, index: int = 0) -> ScanParameters:
    """Draw everything that has a range.

    Parameters
    ----------
    config
        The ranges.
    seed, index
        The same two numbers give the same draw; draws of different indices are independent.
    """

    def values(ranges: Frozen, name: str) -> dict[str, object]:
        return dict(draw_values(_stream(seed, index, f"draw {name}"), ranges))

    return ScanParameters.model_validate(
        {
            "seed": seed,
            "index": index,
            "n_bscans": config.n_bscans,
            "disc_labels": config.disc_labels,
            "label_set": config.label_set,
            "gaze": values(config.gaze, "gaze"),
            "anatomy": values(config.anatomy, "anatomy"),
            "disease": _unless_healthy(values(config.disease, "disease")),
            "greys": values(config.greys, "greys"),
            "lines": values(config.lines, "lines"),
            "optics": values(config.optics, "optics"),
            "artefacts": values(config.artefacts, "artefacts"),
            **_draw_sampling(_stream(seed, index, "draw sampling"), config),
        }
    )


def _stream(seed: int, index: int, name: str, number: int = 0) -> np.random.Generator:
    return np.random.default_rng([seed, index, zlib.crc32(name.encode()), number])


def _unless_healthy(values: dict[str, object]) -> dict[str, object]:
    """Switch every disease off where the eye is not ill."""
    if values["ill"]:
        return values
    chances = {
        name for name, field in DiseaseRanges.model_fields.items() if field.annotation is float
    }
    return {name: False if name in chances else value for name, value in values.items()}


def _draw_sampling(rng: np.random.Generator, config: SimulatorConfig) -> dict[str, object]:
    """Choose a device and the size of its pixels."""
    weights = np.array([sampling.weight for sampling in config.samplings])
    chosen = int(np.searchsorted(np.cumsum(weights), rng.random() * weights.sum(), side="right"))
    sampling = config.samplings[min(chosen, len(weights) - 1)]
    depth, width = (
        options[int(rng.random() * len(options))] for options in (sampling.depths, sampling.widths)
    )
    axial_um, field_um, bscan_um = (
        low * (high / low) ** rng.random()
        for low, high in (sampling.axial_um, sampling.field_um, sampling.bscan_um)
    )
    if config.size is not None:
        depth, width = config.size
    return {
        "device": sampling.name,
        "depth": depth,
        "width": width,
        "axial_um": max(axial_um, SMALLEST_DEPTH_UM / depth),
        "lateral_um": field_um / width,
        "bscan_um": bscan_um,
    }

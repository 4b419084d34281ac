"""Two imaginary devices as narrow ranges of the simulator, for samples, the demo and tests."""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

from napari_retseg.simulate.ranges import (
    AnatomyRanges,
    ArtefactRanges,
    DiseaseRanges,
    GazeRanges,
    GreyRanges,
    LineRanges,
    OpticsRanges,
    Sampling,
    SimulatorConfig,
)

SimulatedDevice = Literal["A", "B"]

#: No B-scan of a device is narrower than this; its pixels become wider instead.
SMALLEST_WIDTH_UM = 4000.0

#: Pixel size in depth and along a B-scan, and the distance of B-scans.
SPACING_UM: MappingProxyType[SimulatedDevice, tuple[float, float, float]] = MappingProxyType(
    {"A": (3.9, 11.5, 125.0), "B": (2.8, 11.8, 250.0)}
)

_GAZE = GazeRanges(
    through_fovea=1.0, across_um=(-1000.0, 1000.0), along_um=(-400.0, 400.0), at_disc=0.0, ring=0.0
)
_ANATOMY = AnatomyRanges(
    thickness=(0.9, 1.12),
    nfl=(0.75, 1.3),
    gcl_ipl=(0.85, 1.2),
    inl=(0.85, 1.2),
    opl=(0.8, 1.25),
    onl_ism=(0.85, 1.2),
    ise=(0.8, 1.2),
    os_rpe=(0.8, 1.2),
    pit_depth=(0.8, 1.0),
    no_pit=0.0,
    pit_radius=(0.8, 1.25),
    towards_disc=(0.8, 1.4),
    undulation=(0.02, 0.06),
    bumps=(0.0, 0.05),
    tilt=(-0.04, 0.04),
    curvature_per_mm=(-0.004, 0.022),
    myopic=0.0,
    waves_um=(0.0, 8.0),
    height=(0.25, 0.6),
    choroid_um=(280.0, 450.0),
    vessels=(4, 11),
)
#: Macular edema.
_DISEASE = DiseaseRanges(
    swelling_amount=(0.1, 0.6),
    cysts=0.7,
    cyst_count=(4, 30),
    cyst_um=(25.0, 70.0),
    pockets=0.6,
    pocket_count=(1, 5),
    pocket_height_um=(60.0, 260.0),
    pocket_um=(120.0, 600.0),
    septa=(0, 2),
    fluid_grey=(0.3, 0.6),
    subretinal=0.3,
    subretinal_height_um=(40.0, 160.0),
    subretinal_um=(600.0, 1500.0),
    detachment=0.0,
    drusen=0.0,
    foci_count=(1, 25),
    exudates=0.0,
    membrane=0.0,
    hyaloid=0.0,
    atrophy=0.0,
    dim_photoreceptors=0.0,
)
_ARTEFACTS = ArtefactRanges(
    corners=0.0,
    bars=0.0,
    mirror=0.0,
    clipped=0.0,
    jitter=0.0,
    glare=0.0,
    blink=0.0,
    lines=0.0,
    drift_um=(2.0, 5.0),
    jump_um=(20.0, 50.0),
    jump_chance=(0.0, 0.1),
)
#: The layers of A differ more in brightness than those of B.
_GREYS: MappingProxyType[SimulatedDevice, GreyRanges] = MappingProxyType(
    {
        "A": GreyRanges(
            vitreous=(0.02, 0.06),
            nfl=(0.56, 0.66),
            gcl=(0.43, 0.49),
            ipl=(0.48, 0.54),
            inl=(0.33, 0.38),
            opl=(0.43, 0.49),
            henle=(0.25, 0.31),
            onl=(0.24, 0.29),
            elm=(0.06, 0.12),
            ez=(0.62, 0.74),
            gap=(0.6, 0.75),
            rpe=(0.68, 0.82),
            choroid=(0.42, 0.52),
            mottle=(0.0, 0.04),
            raggedness_um=(0.0, 1.5),
        ),
        "B": GreyRanges(
            vitreous=(0.02, 0.06),
            nfl=(0.5, 0.6),
            gcl=(0.42, 0.48),
            ipl=(0.45, 0.51),
            inl=(0.37, 0.42),
            opl=(0.43, 0.49),
            henle=(0.31, 0.37),
            onl=(0.3, 0.35),
            elm=(0.03, 0.08),
            ez=(0.55, 0.66),
            gap=(0.7, 0.85),
            rpe=(0.6, 0.72),
            choroid=(0.46, 0.58),
            mottle=(0.02, 0.06),
        ),
    }
)
#: The scans of each device are labelled by one convention, A's in the middle of the ranges.
_LINES: MappingProxyType[SimulatedDevice, LineRanges] = MappingProxyType(
    {
        "A": LineRanges(
            nfl_um=(5.0, 7.0),
            gcl_ipl_um=(4.0, 6.0),
            inl_um=(4.0, 6.0),
            onl_ism_um=(2.0, 4.0),
            ise_um=(2.0, 4.0),
            bruch_um=(4.0, 6.0),
        ),
        "B": LineRanges(
            nfl_um=(3.0, 4.0),
            gcl_ipl_um=(0.0, 1.0),
            inl_um=(0.0, 1.0),
            onl_ism_um=(0.0, 1.0),
            ise_um=(0.0, 1.0),
            bruch_um=(0.0, 1.0),
        ),
    }
)
#: A averages many frames and shows the fourth root; B shows a frame or two on a logarithmic scale.
_OPTICS: MappingProxyType[SimulatedDevice, OpticsRanges] = MappingProxyType(
    {
        "A": OpticsRanges(
            blur_depth_um=(2.4, 3.4),
            blur_width_um=(7.0, 12.0),
            defocus=0.0,
            looks=(6.0, 16.0),
            speckle_depth=(0.55, 0.8),
            speckle_width=(0.5, 0.9),
            noise=(0.1, 0.17),
            noise_size=(0.0, 0.3),
            subtracted=(0.0, 0.2),
            haze=(0.0, 0.04),
            attenuation_db=(0.0, 2.0),
            rolloff_db=(0.0, 3.0),
            shading_db=(0.0, 1.0),
            streaks_db=(0.0, 0.5),
            vessel_shadow=(0.1, 0.6),
            scale=("root",),
            gamma=(0.9, 1.1),
            black=(0.5, 0.9),
            white=(0.95, 1.15),
            coarse=0.0,
            jpeg=0.0,
        ),
        "B": OpticsRanges(
            blur_depth_um=(3.0, 4.4),
            blur_width_um=(9.0, 16.0),
            defocus=0.0,
            looks=(1.8, 3.6),
            speckle_depth=(0.8, 1.2),
            speckle_width=(0.5, 1.2),
            noise=(0.22, 0.27),
            noise_size=(0.3, 0.6),
            subtracted=(0.0, 0.0),
            haze=(0.2, 0.28),
            attenuation_db=(0.0, 2.0),
            rolloff_db=(6.0, 12.0),
            shading_db=(0.0, 2.0),
            streaks_db=(0.0, 1.0),
            vessel_shadow=(0.1, 0.6),
            scale=("log",),
            range_db=(36.0, 42.0),
            gamma=(1.0, 1.3),
            black=(0.0, 0.3),
            white=(1.3, 1.7),
            coarse=0.0,
            jpeg=0.0,
        ),
    }
)


def make_device_config(
    device: SimulatedDevice = "A",
    *,
    size: tuple[int, int] = (496, 768),
    n_bscans: int = 11,
    bscan_um: float | None = None,
) -> SimulatorConfig:
    """Choose one of the two devices: maculae with and without edema, no artefacts.

    Parameters
    ----------
    device
        ``A``: smooth, bright, of high contrast. ``B``: hazy, flat and grainy, finer in depth.
    size
        Depth and width of a B-scan in pixels, at least 64 each.
    n_bscans
        B-scans of a volume.
    bscan_um
        Between the B-scans; None: the device's.

    Raises
    ------
    pydantic.ValidationError
        Where nothing of that size can be simulated.
    """
    axial_um, lateral_um, between_um = SPACING_UM[device]
    depth, width = size
    width_um = max(lateral_um * width, SMALLEST_WIDTH_UM)
    between_um = bscan_um or between_um
    sampling = Sampling(
        name=device,
        depths=(depth,),
        widths=(width,),
        axial_um=(axial_um, axial_um),
        field_um=(width_um, width_um),
        bscan_um=(between_um, between_um),
    )
    return SimulatorConfig(
        name=f"device {device}",
        samplings=(sampling,),
        n_bscans=n_bscans,
        gaze=_GAZE,
        anatomy=_ANATOMY,
        disease=_DISEASE,
        greys=_GREYS[device],
        lines=_LINES[device],
        optics=_OPTICS[device],
        artefacts=_ARTEFACTS,
    )

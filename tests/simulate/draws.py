"""A quiet base draw: a healthy right eye through the fovea, no artefacts; and changes of it."""

from __future__ import annotations

from typing import Any

from napari_retseg.simulate import ScanParameters, SimulatorConfig, draw_parameters
from napari_retseg.simulate.ranges import (
    AnatomyRanges,
    ArtefactRanges,
    DiseaseRanges,
    GazeRanges,
    OpticsRanges,
    Sampling,
)

ONE = Sampling(
    name="one", depths=(160,), widths=(192,), axial_um=(5.5, 5.5), field_um=(6000.0, 6000.0)
)
QUIET = SimulatorConfig(
    samplings=(ONE,),
    gaze=GazeRanges(
        right=1.0, through_fovea=1.0, across_um=(0.0, 0.0), along_um=(0.0, 0.0), at_disc=0, ring=0
    ),
    anatomy=AnatomyRanges(
        thickness=(1.0, 1.0),
        no_pit=0.0,
        pit_depth=(1.0, 1.0),
        myopic=0.0,
        tilt=(0.0, 0.0),
        curvature_per_mm=(0.0, 0.0),
        waves_um=(0.0, 0.0),
        vessels=(0, 0),
        height=(0.4, 0.4),
    ),
    disease=DiseaseRanges(ill=0.0),
    optics=OpticsRanges(
        looks=(20.0, 20.0),
        noise=(0.15, 0.15),
        scale=("root",),
        gamma=(1.0, 1.0),
        black=(0.0, 0.0),
        white=(1.2, 1.2),
        haze=(0.0, 0.0),
        attenuation_db=(0.0, 0.0),
        rolloff_db=(0.0, 0.0),
        shading_db=(0.0, 0.0),
        streaks_db=(0.0, 0.0),
        subtracted=(0.5, 0.5),
        defocus=0.0,
        coarse=0.0,
        jpeg=0.0,
    ),
    artefacts=ArtefactRanges(
        corners=0, bars=0, mirror=0, clipped=0, jitter=0, glare=0, blink=0, lines=0
    ),
)


def quiet(seed: int = 3, index: int = 0) -> ScanParameters:
    """The base draw of a seed."""
    return draw_parameters(QUIET, seed, index)


def change(drawn: ScanParameters, **groups: dict[str, Any]) -> ScanParameters:
    """Replace parameters of some groups of a draw."""
    update = {name: getattr(drawn, name).model_copy(update=new) for name, new in groups.items()}
    return drawn.model_copy(update=update)

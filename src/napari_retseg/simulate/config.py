"""What the simulator may draw: one documented model with ranges, and the two devices.

A range is ``(low, high)``; a volume draws one value from it, evenly unless said otherwise.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Annotated, Literal

import numpy as np
from pydantic import AfterValidator, Field

from napari_retseg.config import Frozen

SimulatedDevice = Literal["A", "B"]

#: The smallest field that shows a whole foveal retina, depth and width in um. Where the size in
#: pixels and the device's sampling cover less, the pixels become larger.
SMALLEST_FIELD_UM = (900.0, 4000.0)


def _check_range(limits: tuple[float, float]) -> tuple[float, float]:
    if limits[0] > limits[1]:
        raise ValueError(f"a range is (low, high), not {limits}")
    return limits


Range = Annotated[tuple[float, float], AfterValidator(_check_range)]
PositiveRange = Annotated[
    tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(gt=0)]],
    AfterValidator(_check_range),
]
Probability = Annotated[float, Field(ge=0, le=1)]


def draw(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """Draw evenly from a range."""
    return float(rng.uniform(*limits))


def draw_scale(rng: np.random.Generator, limits: tuple[float, float]) -> float:
    """Draw from a range of positive sizes, each factor equally likely (log-uniform)."""
    return float(np.exp(rng.uniform(*np.log(limits))))


def draw_count(rng: np.random.Generator, limits: tuple[int, int]) -> int:
    """Draw a whole number, both ends included."""
    return int(rng.integers(limits[0], limits[1] + 1))


class AnatomyConfig(Frozen):
    """The healthy eye: how far it may differ from the norm, and how it lies in the scan."""

    thickness_scale: PositiveRange = Field((0.85, 1.15), description="each layer over its norm")
    undulation: Annotated[float, Field(ge=0)] = Field(
        0.05, description="standard deviation of the local thickness, relative"
    )
    pit_depth: Range = Field((0.8, 1.0), description="1: the inner layers vanish at the foveola")
    pit_radius: PositiveRange = Field((0.8, 1.25), description="of the pit, over its norm")
    fovea_offset_um: Range = Field((-400.0, 400.0), description="from the centre of the field")
    tilt: Range = Field((-0.04, 0.04), description="slope of the retina along a B-scan")
    curvature_per_mm: Range = Field((-0.004, 0.022), description="positive: concave above")


class DiseaseConfig(Frozen):
    """Fluid and swelling, as in macular edema."""

    intraretinal: Probability = Field(0.6, description="probability of cysts in the layers")
    clusters: tuple[int, int] = Field((1, 3), description="groups of cysts")
    cysts: tuple[int, int] = Field((4, 18), description="cysts in a group")
    cyst_radius_um: PositiveRange = Field((22.0, 150.0), description="half height, log-uniform")
    cyst_aspect: PositiveRange = Field((1.6, 3.8), description="width over height")
    cluster_radius_um: PositiveRange = Field((250.0, 900.0), description="spread of a group")
    displacement: Range = Field((0.5, 0.95), description="share of a cyst that bulges the retina")
    subretinal: Probability = Field(0.25, description="probability of fluid under the retina")
    subretinal_height_um: PositiveRange = (40.0, 160.0)
    subretinal_radius_um: PositiveRange = (600.0, 1500.0)
    swelling: Probability = Field(0.5, description="probability of diffuse thickening")
    swelling_amount: Range = Field((0.1, 0.6), description="relative to the layer's thickness")
    foci: tuple[int, int] = Field((0, 25), description="bright foci where there is fluid")


class MotionConfig(Frozen):
    """Movement of the eye from one B-scan to the next; image and labels move alike."""

    drift_um: Annotated[float, Field(ge=0)] = Field(4.0, description="axial step, SD")
    jump: Probability = Field(0.08, description="probability of a saccade before a B-scan")
    jump_axial_um: Annotated[float, Field(ge=0)] = Field(25.0, description="of a saccade, SD")
    jump_lateral_um: Annotated[float, Field(ge=0)] = Field(60.0, description="of a saccade, SD")


class ImagingConfig(Frozen):
    """How a device turns reflectivity into grey values."""

    axial_um: Annotated[float, Field(gt=0)] = Field(description="pixel size in depth")
    lateral_um: Annotated[float, Field(gt=0)] = Field(description="pixel size along a B-scan")
    bscan_um: Annotated[float, Field(gt=0)] = Field(description="between B-scans")
    looks: PositiveRange = Field(description="independent speckle patterns in the average")
    speckle_um: tuple[PositiveRange, PositiveRange] = Field(
        description="size of a speckle (SD) in depth and width"
    )
    blur_um: tuple[PositiveRange, PositiveRange] = Field(
        description="point spread (SD) in depth and width"
    )
    noise: PositiveRange = Field(description="noise floor as grey on the reflectivity scale")
    rolloff: Range = Field(description="loss of signal from the top of the image to its end, dB")
    haze: Range = Field(description="scatter of the optics, largest above the retina")
    penetration_um: PositiveRange = Field(description="depth at which the choroid has faded")
    layer_contrast: PositiveRange = Field(description="1: the norm; below 1: layers more alike")
    scale: Literal["root", "log"] = Field(description="fourth root or logarithm of the signal")
    range_db: PositiveRange = Field((35.0, 35.0), description="span of the logarithmic scale")
    gamma: PositiveRange = Field((1.0, 1.0), description="exponent of the displayed grey")
    black: Range = Field((0.0, 0.0), description="displayed grey that becomes 0")
    white: PositiveRange = Field((1.0, 1.0), description="displayed grey that becomes 255")


#: A: many frames averaged, smooth, bright, high contrast (sampling of a Spectralis).
#: B: one noisy frame or two on a logarithmic scale, hazy and flat, finer in depth.
DEVICES: MappingProxyType[SimulatedDevice, ImagingConfig] = MappingProxyType(
    {
        "A": ImagingConfig(
            axial_um=3.9,
            lateral_um=11.5,
            bscan_um=125.0,
            looks=(5.0, 16.0),
            speckle_um=((2.2, 3.2), (6.0, 10.0)),
            blur_um=((2.4, 3.4), (7.0, 12.0)),
            noise=(0.1, 0.17),
            rolloff=(0.0, 3.0),
            haze=(0.0, 0.04),
            penetration_um=(110.0, 220.0),
            layer_contrast=(0.95, 1.15),
            scale="root",
            gamma=(0.9, 1.1),
            black=(0.06, 0.1),
            white=(0.78, 0.9),
        ),
        "B": ImagingConfig(
            axial_um=2.8,
            lateral_um=11.8,
            bscan_um=250.0,
            looks=(1.8, 3.6),
            speckle_um=((2.2, 3.4), (6.0, 14.0)),
            blur_um=((3.0, 4.4), (9.0, 16.0)),
            noise=(0.2, 0.27),
            rolloff=(6.0, 14.0),
            haze=(0.2, 0.32),
            penetration_um=(300.0, 520.0),
            layer_contrast=(0.75, 0.92),
            scale="log",
            range_db=(36.0, 42.0),
            gamma=(1.0, 1.3),
            black=(0.08, 0.14),
            white=(1.02, 1.15),
        ),
    }
)


class SimulatorConfig(Frozen):
    """One simulated volume: device, size and what may be seen in it."""

    device: SimulatedDevice = "A"
    n_bscans: Annotated[int, Field(ge=1)] = 11
    depth: Annotated[int, Field(ge=64)] = Field(496, description="pixels")
    width: Annotated[int, Field(ge=64)] = Field(768, description="pixels")
    axial_um: Annotated[float, Field(gt=0)] | None = Field(None, description="None: the device's")
    lateral_um: Annotated[float, Field(gt=0)] | None = Field(None, description="None: the device's")
    bscan_um: Annotated[float, Field(gt=0)] | None = Field(None, description="None: the device's")
    vessels: tuple[int, int] = Field((4, 11), description="retinal vessels in the field")
    anatomy: AnatomyConfig = AnatomyConfig()
    disease: DiseaseConfig = DiseaseConfig()
    motion: MotionConfig = MotionConfig()
    imaging: ImagingConfig | None = Field(None, description="None: the device's")

    @property
    def optics(self) -> ImagingConfig:
        """The device's imaging, or the one given instead."""
        return DEVICES[self.device] if self.imaging is None else self.imaging

    @property
    def spacing_um(self) -> tuple[float, float, float]:
        """Distance of B-scans and pixel size in depth and width."""
        optics = self.optics
        axial = self.axial_um or max(optics.axial_um, SMALLEST_FIELD_UM[0] / self.depth)
        lateral = self.lateral_um or max(optics.lateral_um, SMALLEST_FIELD_UM[1] / self.width)
        return self.bscan_um or optics.bscan_um, axial, lateral

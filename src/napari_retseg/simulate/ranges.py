"""What the simulator may draw: one documented model with a range for every parameter.

The defaults are those that models are trained with. They enclose what real scans show, and more:
to a network that has seen all of it, a real device is one more variation. Lengths are in um;
greys are on a scale of 0 to 1 that is the fourth root of the signal, as a Spectralis shows it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from napari_retseg.classes import RETINA, RETINA_AND_LESIONS, LabelSet
from napari_retseg.config import Frozen
from napari_retseg.simulate.distributions import Chance, Count, Pick, Scale, Uniform

#: Classes that labels may have.
LabelSetName = Literal["retina", "retina and lesions"]
LABEL_SETS: Mapping[LabelSetName, LabelSet] = {
    "retina": RETINA,
    "retina and lesions": RETINA_AND_LESIONS,
}
#: What can be taken out of the ranges, see `SimulatorConfig.without`.
Part = Literal["disease", "speckle", "resolution", "corners"]

_Pixels = Annotated[int, Field(ge=64)]
_Weight = Annotated[float, Field(ge=0)]


class Sampling(Frozen):
    """The pixels of a family of devices."""

    name: str
    weight: _Weight = Field(1.0, description="how often, relative to the others")
    depths: tuple[_Pixels, ...] = Field(description="pixels in depth, one of these")
    widths: tuple[_Pixels, ...] = Field(description="A-scans, one of these")
    axial_um: Scale = Field(description="pixel size in depth")
    field_um: Scale = Field(description="width of a B-scan")
    bscan_um: Scale = Field((30.0, 250.0), description="between the B-scans of a volume")


#: Pixel sizes from the makers' data sheets and from the headers of their files.
SPECTRALIS = Sampling(
    name="Spectralis",
    weight=4,
    depths=(496,),
    widths=(512, 768, 1024),
    axial_um=(3.87, 3.87),
    field_um=(5500.0, 9200.0),
)
CIRRUS = Sampling(
    name="Cirrus",
    depths=(1024,),
    widths=(512, 1024),
    axial_um=(1.95, 1.96),
    field_um=(6000.0, 6000.0),
)
TOPCON = Sampling(
    name="Topcon",
    depths=(650, 885, 992),
    widths=(320, 512, 1024),
    axial_um=(2.3, 2.7),
    field_um=(3000.0, 12000.0),
)
BIOPTIGEN = Sampling(
    name="Bioptigen",
    depths=(512,),
    widths=(768, 1000),
    axial_um=(3.1, 3.4),
    field_um=(4500.0, 7000.0),
)
ANY_DEVICE = Sampling(
    name="any device",
    weight=3,
    depths=(256, 320, 400, 512, 640, 768),
    widths=(256, 320, 400, 512, 640, 768),
    axial_um=(1.0, 10.0),
    field_um=(3000.0, 12000.0),
    bscan_um=(10.0, 350.0),
)


class GazeRanges(Frozen):
    """Where the scan lies on the retina."""

    right: Chance = Field(0.5, description="right eye: the optic disc is to the right")
    through_fovea: Chance = Field(0.45, description="the middle B-scan crosses the fovea")
    across_um: Uniform = Field((-3200.0, 3200.0), description="of the middle B-scan, otherwise")
    along_um: Uniform = Field((-1200.0, 1200.0), description="fovea from the field's centre")
    at_disc: Chance = Field(0.1, description="centred on the optic disc instead")
    ring: Chance = Field(0.04, description="a circle around the disc instead")
    ring_radius_um: Uniform = Field((1500.0, 2300.0), description="of the circle")
    disc_um: Uniform = Field((4100.0, 5000.0), description="disc from the fovea")
    disc_radius_um: Uniform = Field((650.0, 1000.0), description="of its margin")
    disc_up_um: Uniform = Field((0.0, 900.0), description="disc above the fovea")


class AnatomyRanges(Frozen):
    """The healthy retina; thicknesses are factors of the norm."""

    thickness: Scale = Field((0.85, 1.2), description="of all layers")
    nfl: Scale = Field((0.6, 1.6), description="nerve fibre layer")
    gcl_ipl: Scale = Field((0.7, 1.4), description="ganglion cells, inner plexiform layer")
    inl: Scale = Field((0.7, 1.4), description="inner nuclear layer")
    opl: Scale = Field((0.6, 1.5), description="outer plexiform layer")
    onl_ism: Scale = Field((0.7, 1.35), description="outer nuclear layer, myoid zone")
    ise: Scale = Field((0.65, 1.5), description="ellipsoid zone and the gap below it")
    os_rpe: Scale = Field((0.65, 1.45), description="interdigitation zone, pigment epithelium")
    pit_depth: Uniform = Field((0.35, 1.05), description="1: inner layers vanish, 0: no pit")
    no_pit: Chance = Field(0.05, description="no foveal pit at all")
    pit_radius: Scale = Field((0.7, 1.6), description="of the pit")
    towards_disc: Scale = Field((0.7, 2.2), description="growth of the nerve fibres to the disc")
    cup_um: Uniform = Field((50.0, 480.0), description="depth of the disc's cup")
    undulation: Uniform = Field((0.01, 0.12), description="of thickness, slow, relative SD")
    bumps: Uniform = Field((0.0, 0.14), description="of thickness, quick, relative SD")
    tilt: Uniform = Field((-0.11, 0.11), description="slope of the retina")
    curvature_per_mm: Uniform = Field((-0.012, 0.035), description="positive: concave above")
    myopic: Chance = Field(0.1, description="strongly curved, with a thin choroid")
    myopic_per_mm: Uniform = Field((0.05, 0.12), description="curvature of such an eye")
    waves_um: Uniform = Field((0.0, 25.0), description="slow waves of the whole retina, SD")
    height: Uniform = Field((0.08, 0.8), description="of the retina in the image, 0 is the top")
    choroid_um: Scale = Field((60.0, 500.0), description="thickness of the choroid")
    vessels: Count = Field((0, 14), description="retinal vessels")


class DiseaseRanges(Frozen):
    """What may be wrong with the eye; all chances are those of an ill eye."""

    ill: Chance = Field(0.8, description="anything at all")
    swelling: Chance = Field(0.55, description="diffuse thickening")
    swellings: Count = Field((1, 4), description="of it")
    swelling_amount: Scale = Field((0.1, 1.5), description="relative to the layer")
    swelling_um: Scale = Field((200.0, 2500.0), description="its radius")
    cysts: Chance = Field(0.55, description="small cysts that replace tissue")
    cyst_count: Count = Field((1, 50), description="small cysts")
    cyst_um: Scale = Field((12.0, 70.0), description="largest half height of them")
    cyst_aspect: Scale = Field((0.4, 3.0), description="width over height")
    cyst_spread_um: Scale = Field((200.0, 2500.0), description="around a point near the fovea")
    pockets: Chance = Field(0.5, description="large pockets that lift the layers above")
    pocket_count: Count = Field((1, 12), description="pockets, side by side or confluent")
    pocket_height_um: Scale = Field((60.0, 480.0), description="of the highest")
    pocket_um: Scale = Field((120.0, 1200.0), description="half width of the widest")
    pocket_inner: Uniform = Field((0.0, 0.6), description="share in the inner nuclear layer")
    foveal_cyst: Chance = Field(0.18, description="one large cyst under the fovea's roof")
    foveal_cyst_height_um: Uniform = Field((120.0, 480.0), description="its height")
    foveal_cyst_um: Uniform = Field((110.0, 600.0), description="its half width")
    septa: Count = Field((0, 9), description="thin bright walls in the fluid")
    fluid_grey: Uniform = Field((0.2, 0.95), description="over that of the outer nuclear layer")
    rim_grey: Uniform = Field((0.0, 0.12), description="brightness around fluid")
    subretinal: Chance = Field(0.2, description="fluid under the retina")
    subretinal_height_um: Scale = Field((15.0, 350.0), description="its height")
    subretinal_um: Scale = Field((300.0, 1800.0), description="its radius")
    detachment: Chance = Field(0.1, description="pigment epithelium lifted")
    detachment_height_um: Scale = Field((40.0, 380.0), description="its height")
    detachment_um: Scale = Field((200.0, 1300.0), description="its radius")
    detachment_grey: Uniform = Field((0.08, 0.5), description="of what lies below it")
    drusen: Chance = Field(0.15, description="drusen under the pigment epithelium")
    drusen_count: Count = Field((1, 25), description="drusen")
    drusen_height_um: Scale = Field((15.0, 100.0), description="of the highest")
    foci: Chance = Field(0.6, description="hyperreflective foci")
    foci_count: Count = Field((1, 60), description="foci")
    exudates: Chance = Field(0.3, description="clumps of foci that cast shadows")
    exudate_count: Count = Field((1, 9), description="clumps")
    membrane: Chance = Field(0.15, description="epiretinal membrane")
    hyaloid: Chance = Field(0.35, description="detached vitreous: a line above the retina")
    atrophy: Chance = Field(0.08, description="outer layers lost, light passes through")
    atrophy_um: Scale = Field((150.0, 1800.0), description="its radius")
    dim_photoreceptors: Chance = Field(0.25, description="patches of a faint ellipsoid zone")
    opacities: Chance = Field(0.0, description="opacities in the vitreous")
    opacity_count: Count = Field((1, 8), description="opacities")
    opacity_um: Scale = Field((30.0, 500.0), description="half width of the widest")
    opacity_grey: Uniform = Field((0.25, 0.75), description="of the brightest")
    edema: Chance = Field(0.0, description="confluent edema: a bed of faint fluid with many walls")
    edema_height_um: Scale = Field((80.0, 420.0), description="its height")
    edema_um: Scale = Field((400.0, 2500.0), description="its radius")
    edema_grey: Uniform = Field((0.7, 1.05), description="of its fluid, over that layer")
    walls: Count = Field((8, 60), description="bright walls in it")
    bruch_seen: Chance = Field(0.0, description="Bruch's membrane is a line below what lifts it")
    bruch_grey: Uniform = Field((0.3, 0.9), description="of that line, over the epithelium")


class GreyRanges(Frozen):
    """Brightness of the bands; the ranges of neighbours overlap."""

    vitreous: Uniform = Field((0.0, 0.1), description="above the retina")
    nfl: Uniform = Field((0.42, 0.76), description="nerve fibre layer")
    gcl: Uniform = Field((0.34, 0.58), description="ganglion cell layer")
    ipl: Uniform = Field((0.38, 0.6), description="inner plexiform layer")
    inl: Uniform = Field((0.27, 0.5), description="inner nuclear layer")
    opl: Uniform = Field((0.33, 0.58), description="outer plexiform layer")
    henle: Uniform = Field((0.2, 0.46), description="Henle's fibres, at the top of that below")
    onl: Uniform = Field((0.16, 0.38), description="outer nuclear layer")
    elm: Uniform = Field((0.0, 0.14), description="external limiting membrane, over that layer")
    myoid: Uniform = Field((0.0, 0.09), description="myoid zone, over that layer")
    ez: Uniform = Field((0.44, 0.86), description="ellipsoid zone")
    gap: Uniform = Field((0.55, 1.0), description="below it, over the darker of its neighbours")
    iz: Uniform = Field((0.85, 1.08), description="interdigitation zone, over the epithelium")
    rpe: Uniform = Field((0.5, 0.95), description="pigment epithelium")
    choroid: Uniform = Field((0.32, 0.76), description="at its top")
    texture: Uniform = Field((0.0, 0.1), description="slow change along a layer, relative SD")
    mottle: Uniform = Field((0.0, 0.1), description="grain of the tissue, relative SD")
    raggedness_um: Uniform = Field((0.0, 5.0), description="of the layers' edges; lines are smooth")


class LineRanges(Frozen):
    """Where a grader draws a layer's line, from the edge that the tissue makes.

    As in the reference set (Chiu et al., Biomed. Opt. Express 6:1172, 2015), judged on its
    patients S01 and S02.
    """

    nfl_um: Uniform = Field((3.0, 10.0), description="first line, below its edge")
    gcl_ipl_um: Uniform = Field((0.0, 12.0), description="that of GCL-IPL, below its edge")
    inl_um: Uniform = Field((0.0, 12.0), description="that of the INL, below its edge")
    onl_ism_um: Uniform = Field((0.0, 6.0), description="that of ONL-ISM, below its edge")
    ise_um: Uniform = Field((0.0, 6.0), description="that of the ISE, above its edge")
    bruch_um: Uniform = Field((0.0, 10.0), description="last line, below its edge")


class OpticsRanges(Frozen):
    """How light becomes an image."""

    blur_depth_um: Scale = Field((1.5, 11.0), description="point spread in depth, SD")
    blur_width_um: Scale = Field((4.0, 24.0), description="point spread along a B-scan, SD")
    defocus: Chance = Field(0.1, description="twice the blur, half the signal")
    looks: Scale = Field((1.0, 60.0), description="averaged frames")
    speckle_depth: Uniform = Field((0.3, 1.7), description="size of speckle in pixels, SD")
    speckle_width: Uniform = Field((0.3, 2.0), description="size of speckle in pixels, SD")
    noise: Uniform = Field((0.1, 0.36), description="noise floor, a grey")
    noise_size: Uniform = Field((0.0, 1.0), description="size of its grain in pixels, SD")
    subtracted: Uniform = Field((0.0, 0.95), description="share of the noise taken off again")
    haze: Uniform = Field((0.0, 0.28), description="scatter above the retina, a grey")
    attenuation_db: Uniform = Field((0.0, 7.0), description="loss through the retina")
    rolloff_db: Uniform = Field((0.0, 12.0), description="loss from the image's top to its end")
    shading_db: Uniform = Field((0.0, 5.0), description="slow change along a B-scan, SD")
    streaks_db: Uniform = Field((0.0, 2.0), description="from A-scan to A-scan, SD")
    vessel_shadow: Uniform = Field((0.05, 0.8), description="signal left below a vessel")
    scale: Pick = Field(
        ("root", "root", "root", "log", "log", "square"), description="of the display"
    )
    range_db: Uniform = Field((30.0, 55.0), description="span of a logarithmic scale")
    gamma: Scale = Field((0.65, 1.5), description="exponent of the displayed grey")
    black: Uniform = Field((0.0, 1.3), description="what is shown black, over the darkest third")
    white: Scale = Field((0.75, 2.3), description="what is shown white, over the brightest")
    coarse: Chance = Field(0.1, description="few grey levels")
    levels: Count = Field((16, 100), description="of them")
    jpeg: Chance = Field(0.3, description="compressed as JPEG")
    quality: Uniform = Field((25.0, 95.0), description="of it")


class ArtefactRanges(Frozen):
    """What else goes wrong in an image."""

    corners: Chance = Field(0.4, description="blank corners, as registration leaves them")
    corner_grey: Pick = Field(("black", "white", "white", "grey"), description="their grey")
    corner_slope: Uniform = Field((-0.05, 0.05), description="of their edge")
    corner_top: Uniform = Field((-0.08, 0.12), description="their height, share of the image")
    corner_bottom: Uniform = Field((-0.12, 0.06), description="the same at the bottom")
    bars: Chance = Field(0.12, description="blank columns at the sides")
    mirror: Chance = Field(0.04, description="the retina folds back at the top")
    clipped: Chance = Field(0.06, description="a part of the retina is out of the image")
    jitter: Chance = Field(0.1, description="A-scans that jump in depth")
    jitter_um: Scale = Field((1.0, 9.0), description="how far, SD")
    glare: Chance = Field(0.1, description="saturated columns")
    blink: Chance = Field(0.03, description="a part of the columns is dark")
    lines: Chance = Field(0.06, description="bright rows of fixed pattern")
    drift_um: Scale = Field((1.0, 8.0), description="motion from B-scan to B-scan, SD")
    jump_um: Scale = Field((10.0, 80.0), description="saccades between B-scans, SD")
    jump_chance: Uniform = Field((0.0, 0.15), description="a saccade before a B-scan")
    marks: Chance = Field(0.0, description="marks and frames that are burnt in")


def _check_weights(samplings: tuple[Sampling, ...]) -> tuple[Sampling, ...]:
    if not any(sampling.weight > 0 for sampling in samplings):
        raise ValueError("at least one sampling needs a weight above 0")
    return samplings


class SimulatorConfig(Frozen):
    """Ranges of the simulator, and what its labels shall say where there is no truth."""

    name: str = Field("wide", description="of datasets; its last word is that of files")
    samplings: Annotated[tuple[Sampling, ...], AfterValidator(_check_weights)] = Field(
        (SPECTRALIS, CIRRUS, TOPCON, BIOPTIGEN, ANY_DEVICE), description="pixels of the devices"
    )
    size: tuple[_Pixels, _Pixels] | None = Field(
        None, description="depth and width in pixels; None: the sampling's"
    )
    n_bscans: Annotated[int, Field(ge=1)] = Field(1, description="B-scans of a volume")
    label_set: LabelSetName = Field(
        "retina", description="of the labels; retina and lesions: sub-RPE, IRF and SRF, too"
    )
    disc_labels: Literal["background", "ignore"] = Field(
        "background", description="of the nerve inside the disc; ignore is 255"
    )
    gaze: GazeRanges = GazeRanges()
    anatomy: AnatomyRanges = AnatomyRanges()
    disease: DiseaseRanges = DiseaseRanges()
    greys: GreyRanges = GreyRanges()
    lines: LineRanges = LineRanges()
    optics: OpticsRanges = OpticsRanges()
    artefacts: ArtefactRanges = ArtefactRanges()

    def with_ranges(self, **groups: Mapping[str, object]) -> SimulatorConfig:
        """Replace some ranges, for example ``config.with_ranges(disease={"ill": 1.0})``.

        Raises
        ------
        pydantic.ValidationError
            Where there is no such range, or it makes no sense.
        """
        values = self.model_dump()
        for name, ranges in groups.items():
            values[name] = {**values.get(name, {}), **ranges}
        return SimulatorConfig.model_validate(values)

    def with_classes(self, classes: LabelSet) -> SimulatorConfig:
        """Label eyes with these classes, which are one of :data:`LABEL_SETS`.

        Raises
        ------
        ValueError
            Where the simulator does not draw these classes.
        """
        for name, one in LABEL_SETS.items():
            if one == classes:
                return self.model_copy(update={"label_set": name})
        raise ValueError(f"the simulator does not label {', '.join(classes.names)}")

    def without(self, *parts: Part) -> SimulatorConfig:
        """Take parts out, all else equal; every other value of a draw stays the same.

        Parameters
        ----------
        parts
            ``disease``: all eyes are healthy; ``speckle``: the number of averaged frames and the
            grain of speckle and noise are fixed; ``resolution``: all pixels and blurs are those
            of one device; ``corners``: no blank corners or columns.
        """
        config = self
        for part in parts:
            config = _TAKE_OUT[part](config)
        return config


def _take_out_disease(config: SimulatorConfig) -> SimulatorConfig:
    return config.with_ranges(disease={"ill": 0.0})


def _take_out_speckle(config: SimulatorConfig) -> SimulatorConfig:
    fixed = {
        "looks": (8.0, 8.0),
        "speckle_depth": (0.9, 0.9),
        "speckle_width": (0.8, 0.8),
        "noise_size": (0.7, 0.7),
    }
    return config.with_ranges(optics=fixed)


def _take_out_resolution(config: SimulatorConfig) -> SimulatorConfig:
    fixed = {"blur_depth_um": (2.8, 2.8), "blur_width_um": (9.0, 9.0), "defocus": 0.0}
    one = Sampling(
        name="one device",
        depths=(496,),
        widths=(768,),
        axial_um=(3.87, 3.87),
        field_um=(8600.0, 8600.0),
        bscan_um=(120.0, 120.0),
    )
    return config.with_ranges(optics=fixed).model_copy(update={"samplings": (one,)})


def _take_out_corners(config: SimulatorConfig) -> SimulatorConfig:
    return config.with_ranges(artefacts={"corners": 0.0, "bars": 0.0})


_TAKE_OUT = {
    "disease": _take_out_disease,
    "speckle": _take_out_speckle,
    "resolution": _take_out_resolution,
    "corners": _take_out_corners,
}

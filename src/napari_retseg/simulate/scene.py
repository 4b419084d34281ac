"""A scene: everything that was drawn for a volume; and how one B-scan of it is made."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from napari_retseg.classes import IGNORE, RETINA_AND_LESIONS
from napari_retseg.layers import translate_classes
from napari_retseg.simulate import artefacts, attenuation, choroid, imaging, spots, vitreous
from napari_retseg.simulate.field import Map, random_field
from napari_retseg.simulate.fluid import displace_layers, draw_fluid
from napari_retseg.simulate.gaze import Sight, lay_out_scan
from napari_retseg.simulate.lesions import Lesions, add_lesions
from napari_retseg.simulate.marks import burn_marks
from napari_retseg.simulate.parameters import ScanParameters
from napari_retseg.simulate.ranges import LABEL_SETS
from napari_retseg.simulate.retina import Retina, build_retina
from napari_retseg.simulate.strata import (
    BAND_LABELS,
    BANDS,
    FLUID_BANDS,
    LOOKS_LIKE,
    NAMES,
    SUB_RPE,
    Strata,
    build_strata,
    is_fluid,
    rasterise,
    stack_heights,
)
from napari_retseg.simulate.view import View

_TEXTURE_UM = 260.0
_CHOROID = len(BANDS) - 1
_RIM_UM = 9.0
#: Share of the image that the thickest place of a retina may fill.
_TALLEST = 0.8


#: What the values of `RETINA_AND_LESIONS` are in each set of classes.
_TABLES = {
    name: translate_classes(classes, RETINA_AND_LESIONS) for name, classes in LABEL_SETS.items()
}


@dataclass(frozen=True)
class Scene:
    """A volume before its B-scans are rendered."""

    drawn: ScanParameters
    sight: Sight
    strata: Strata
    greys: Map
    nerve: Map
    lost: Map
    cysts: tuple[spots.Cyst, ...]
    foci: tuple[spots.Focus, ...]
    vessels: tuple[attenuation.Vessel, ...]
    lines: tuple[vitreous.Line, ...]
    opacities: tuple[vitreous.Opacity, ...]
    choroid: choroid.Choroid
    gain_db: Map
    axial_um: Map
    lateral_px: NDArray[np.intp]

    @classmethod
    def of(cls, drawn: ScanParameters) -> Scene:
        """Make what a draw describes."""
        sight = lay_out_scan(drawn)
        retina = build_retina(drawn, sight)
        thickness = retina.thickness_um.copy()
        lesions = add_lesions(drawn, sight, thickness)
        fluid = draw_fluid(drawn, sight)
        displace_layers(drawn, sight, thickness, fluid=fluid, raised_um=lesions.raised_um)
        thickness[:, retina.nerve > 0] = retina.thickness_um[:, retina.nerve > 0]
        heights = stack_heights(drawn, sight, thickness, fluid=fluid, raised_um=lesions.raised_um)
        heights *= min(1.0, _TALLEST * sight.grid.depth_um / float(heights.sum(axis=0).max()))
        bruch = place_retina(drawn, sight, shape_um=retina.shape_um, retina_um=heights.sum(axis=0))
        moved, aside = draw_motion(drawn, sight)
        return cls(
            drawn=drawn,
            sight=sight,
            strata=build_strata(heights, bruch),
            greys=draw_greys(drawn, sight, retina, lesions),
            nerve=retina.nerve,
            lost=lesions.lost,
            cysts=spots.draw_cysts(drawn, sight),
            foci=spots.draw_foci(drawn, sight),
            vessels=attenuation.draw_vessels(drawn, sight),
            lines=vitreous.draw_lines(drawn, sight),
            opacities=vitreous.draw_opacities(drawn, sight),
            choroid=choroid.Choroid(drawn, sight),
            gain_db=attenuation.draw_gain(drawn, sight),
            axial_um=moved,
            lateral_px=aside,
        )

    def render(self, index: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """Pixels, and labels of the draw's label set, of one B-scan, ``(depth, width)``."""
        drawn = self.drawn
        fold = artefacts.count_mirrored_rows(drawn)
        view = self.view(index, extra_rows=fold)
        bands = rasterise(view.edges_px, view.depth)
        labels: NDArray[np.uint8] = BAND_LABELS[bands]
        bands = _roughen_edges(
            drawn.stream("fray", index), bands, drawn.greys.raggedness_um / view.axial_um
        )
        columns = np.arange(view.width)
        grey = self.greys[:, index, view.columns][bands, columns]
        self._apply_choroid(grey, bands, view)
        shadows = self._paint(grey, labels, view)
        signal = imaging.blur(
            grey, drawn.optics, axial_um=view.axial_um, lateral_um=view.lateral_um
        )
        attenuation.cast_shadows(signal, view, shadows)
        attenuation.attenuate(signal, view, drawn, self.gain_db[index, view.columns])
        self._relabel_nerve(labels, view)
        if fold:
            signal, labels = artefacts.mirror(signal, fold), labels[fold:].copy()
        artefacts.add_artefacts(signal, drawn, index)
        shown = imaging.display(
            imaging.expose(drawn.stream("speckle", index), signal, drawn.optics), drawn.optics
        )
        artefacts.blank_corners(shown, labels, drawn, index)
        burn_marks(shown, drawn)
        return imaging.quantise(shown, drawn.optics), _TABLES[drawn.label_set][labels]

    def view(self, index: int, *, extra_rows: int = 0) -> View:
        """Where one B-scan's bands lie, as the moving eye shows them."""
        drawn, grid = self.drawn, self.sight.grid
        first = grid.margin + int(self.lateral_px[index])
        columns = slice(first, first + grid.width)
        edges_um = self.strata.edges_um[:, index, columns] + self.axial_um[index]
        edges_um = edges_um + artefacts.draw_jitter(drawn, grid.width, index)
        return View(
            index=index,
            y_um=float(grid.y_um[index, 0]),
            x_um=grid.x_um[columns],
            axial_um=grid.axial_um,
            lateral_um=self.sight.lateral_um,
            depth=grid.depth + extra_rows,
            edges_px=edges_um / np.float32(grid.axial_um) + np.float32(extra_rows),
            columns=columns,
        )

    def _apply_choroid(self, grey: Map, bands: NDArray[np.uint8], view: View) -> None:
        texture = self.choroid.texture(view.y_um, view.x_um)
        lost, nerve = (part[view.index, view.columns] for part in (self.lost, self.nerve))
        texture = texture ** (1 - 0.5 * lost) * (1 + 0.25 * lost)
        texture *= 1 - 0.35 * gaussian_filter(nerve, 3)
        choroid.apply_texture(
            grey,
            bands == _CHOROID,
            texture,
            bruch_px=view.edge_px("choroid"),
            axial_um=view.axial_um,
        )

    def _paint(self, grey: Map, labels: NDArray[np.uint8], view: View) -> list[attenuation.Shadow]:
        """Draw all that is not a band, in place; the shadows that it casts."""
        drawn = self.drawn
        grain = drawn.stream("mottle", view.index)
        if drawn.greys.mottle > 0:
            grey *= _mottle(grain, drawn, grey.shape)
        spots.paint_cysts(grey, labels, view, self.cysts, fluid_grey(drawn))
        spots.paint_septa(grey, labels, view, drawn)
        _brighten_rims(grey, labels, view, drawn)
        shadows = attenuation.paint_vessels(grey, view, self.vessels)
        shadows += spots.paint_foci(grey, view, self.foci)
        vitreous.paint_lines(grey, view, self.lines)
        vitreous.paint_dots(grey, view, drawn)
        vitreous.paint_opacities(grey, view, drawn, self.opacities)
        _paint_bruch(grey, view, drawn)
        return shadows

    def _relabel_nerve(self, labels: NDArray[np.uint8], view: View) -> None:
        nerve = self.nerve[view.index, view.columns] > 0
        if nerve.any():
            part = labels[:, nerve]
            part[part > 0] = IGNORE if self.drawn.disc_labels == "ignore" else 0
            labels[:, nerve] = part


def fluid_grey(drawn: ScanParameters) -> float:
    """Brightness of fluid: darker than the outer nuclear layer, often hardly so."""
    disease = drawn.disease
    return drawn.greys.onl * (disease.edema_grey if disease.edema else disease.fluid_grey)


def draw_greys(drawn: ScanParameters, sight: Sight, retina: Retina, lesions: Lesions) -> Map:
    """Brightness of the bands at each A-scan, shape ``(len(BANDS), *grid.shape)``."""
    drawn_greys = drawn.greys
    rng = drawn.stream("greys")
    fluid = fluid_grey(drawn)
    rpe = drawn_greys.rpe
    level = {
        "surface": 0.6 * drawn_greys.nfl,
        "inl below fluid": drawn_greys.inl,
        "elm": drawn_greys.onl + drawn_greys.elm,
        "myoid": drawn_greys.onl + drawn_greys.myoid,
        "onset": 0.5 * (drawn_greys.onl + drawn_greys.ez),
        "gap": drawn_greys.gap * min(drawn_greys.ez, rpe),
        "iz": drawn_greys.iz * rpe,
        "bruch": 0.4 * rpe + 0.6 * drawn_greys.choroid,
        "below rpe": drawn.disease.detachment_grey,
        **{NAMES[band]: fluid for band in FLUID_BANDS},
    }
    greys = np.empty((len(BANDS), *sight.grid.shape), dtype=np.float32)
    for band, name in enumerate(NAMES):
        if name in LOOKS_LIKE:
            continue
        value = level[name] if name in level else getattr(drawn_greys, name)
        waves = random_field(rng, sight.grid, length_um=_TEXTURE_UM)
        greys[band] = value * (1 + drawn_greys.texture * waves)
    for name, like in LOOKS_LIKE.items():
        greys[NAMES.index(name)] = greys[NAMES.index(like)]
    for name in ("onset", "ez", "gap", "iz"):
        greys[NAMES.index(name)] *= lesions.dim
    greys[NAMES.index("elm")] *= 1 - 0.6 * lesions.lost
    nerve = retina.nerve > 0
    greys[NAMES.index("nfl")][nerve] *= np.float32(rng.uniform(0.6, 0.95))
    return np.clip(greys, 0.005, 1.0)


def place_retina(drawn: ScanParameters, sight: Sight, *, shape_um: Map, retina_um: Map) -> Map:
    """Put the retina into the image: depth of Bruch's membrane in um, shape ``grid.shape``.

    A retina that would leave the image is flattened until it fits, unless it is to be clipped.
    """
    grid = sight.grid
    rng = drawn.stream("place")
    room = 0.96 * grid.depth_um
    for _ in range(4):
        top, bottom = float((shape_um - retina_um).min()), float(shape_um.max())
        if bottom - top <= room:
            break
        spare = max(room - float(retina_um.max()), 0.0)
        relief = max(bottom - top - float(retina_um.max()), spare, 1.0)
        shape_um = shape_um * np.float32(0.95 * spare / relief)
    slack = max(grid.depth_um - (bottom - top), 0.0)
    above = slack * drawn.anatomy.height
    if drawn.artefacts.clipped:
        out = rng.uniform(0.1, 0.6) * float(retina_um.mean())
        above = -out if rng.random() < 0.6 else slack + out
    if drawn.artefacts.mirror:
        above = -rng.uniform(0.1, 0.7) * float(retina_um.mean())
    return (shape_um - np.float32(top - above)).astype(np.float32)


def draw_motion(drawn: ScanParameters, sight: Sight) -> tuple[Map, NDArray[np.intp]]:
    """Where the eye is at each B-scan: depth in um, A-scans to the side."""
    rng = drawn.stream("motion")
    count = drawn.n_bscans
    axial, lateral = np.zeros(count), np.zeros(count)
    for index in range(1, count):
        axial[index] = 0.93 * axial[index - 1] + rng.normal(0, drawn.artefacts.drift_um)
        lateral[index] = 0.8 * lateral[index - 1]
        if rng.random() < drawn.artefacts.jump_chance:
            axial[index] += rng.normal(0, drawn.artefacts.jump_um / 2)
            lateral[index] += rng.normal(0, drawn.artefacts.jump_um)
    steps = np.rint(lateral / sight.lateral_um)
    margin = sight.grid.margin
    return axial.astype(np.float32), np.clip(steps, -margin, margin).astype(np.intp)


def _roughen_edges(
    rng: np.random.Generator, bands: NDArray[np.uint8], raggedness_px: float
) -> NDArray[np.uint8]:
    """Move pixels up and down a little: light meets tissue, a line is drawn through its middle."""
    depth, width = bands.shape
    coarse = rng.standard_normal((-(-depth // 4), width), dtype=np.float32)
    noise = gaussian_filter(coarse, (0.6, 0.9), truncate=2.0)
    noise *= np.float32(raggedness_px) / noise.std()
    shift = np.rint(noise).astype(np.int16).repeat(4, axis=0)[:depth]
    rows = np.clip(np.arange(depth, dtype=np.int16)[:, None] + shift, 0, depth - 1)
    return np.take_along_axis(bands, rows.astype(np.intp), axis=0)


def _mottle(rng: np.random.Generator, drawn: ScanParameters, shape: tuple[int, ...]) -> Map:
    """Grain of the tissue, coarser than speckle, with mean 1."""
    coarse = (-(-shape[0] // 3), -(-shape[1] // 2))
    noise = gaussian_filter(rng.standard_normal(coarse, dtype=np.float32), (0.8, 1.2), truncate=2.5)
    noise *= np.float32(drawn.greys.mottle) / noise.std()
    return 1 + noise.repeat(3, axis=0)[: shape[0]].repeat(2, axis=1)[:, : shape[1]]


def _paint_bruch(grey: Map, view: View, drawn: ScanParameters) -> None:
    """Draw Bruch's membrane as a line where the epithelium is lifted off it, in place."""
    if not drawn.disease.bruch_seen:
        return
    lifted = (view.edge_px("choroid") - view.edge_px("below rpe")) * np.float32(view.axial_um)
    bright = np.float32(drawn.disease.bruch_grey * drawn.greys.rpe)
    there = bright * np.clip((lifted - 8) / 12, 0, 1, dtype=np.float32)
    vitreous.paint_curve(grey, view.edge_px("choroid"), there, max(2.5 / view.axial_um, 0.4))


def _brighten_rims(grey: Map, labels: NDArray[np.uint8], view: View, drawn: ScanParameters) -> None:
    """Brighten the tissue next to fluid, in place."""
    fluid = is_fluid(labels)
    rows, columns = np.flatnonzero(fluid.any(axis=1)), np.flatnonzero(fluid.any(axis=0))
    if len(rows) == 0 or drawn.disease.rim_grey <= 0:
        return
    reach = int(np.ceil(3 * _RIM_UM / min(view.axial_um, view.lateral_um)))
    part = (
        slice(max(rows[0] - reach, 0), rows[-1] + reach),
        slice(max(columns[0] - reach, 0), columns[-1] + reach),
    )
    size = (_RIM_UM / view.axial_um, _RIM_UM / view.lateral_um)
    near = gaussian_filter(fluid[part].astype(np.float32), size, truncate=2.5)
    tissue = (labels[part] > 0) & (labels[part] != SUB_RPE) & ~fluid[part]
    grey[part] += 2 * np.float32(drawn.disease.rim_grey) * near * tissue

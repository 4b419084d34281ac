"""From labels to numbers: thickness, ETDRS sectors, lesions, and the maps behind them."""

from napari_retseg.measure.enface import EnfaceGrid, lay_out
from napari_retseg.measure.fluid import Fluid, find_fluid, measure_fluid
from napari_retseg.measure.fovea import Fovea, find_fovea
from napari_retseg.measure.measures import Centre, Measures, measure_labels
from napari_retseg.measure.projection import project_slab
from napari_retseg.measure.quantities import Measurement
from napari_retseg.measure.sectors import Sectors, make_etdrs
from napari_retseg.measure.spans import find_spans
from napari_retseg.measure.thickness import Surfaces, find_surfaces

__all__ = [
    "Centre",
    "EnfaceGrid",
    "Fluid",
    "Fovea",
    "Measurement",
    "Measures",
    "Sectors",
    "Surfaces",
    "find_fluid",
    "find_fovea",
    "find_spans",
    "find_surfaces",
    "lay_out",
    "make_etdrs",
    "measure_fluid",
    "measure_labels",
    "project_slab",
]

"""From labels to numbers: thickness, ETDRS sectors, lesions, and the maps behind them."""

from napari_retseg.measures.calibrating import Calibration
from napari_retseg.measures.enface import EnfaceGrid, lay_out
from napari_retseg.measures.fluid import Fluid, find_fluid, measure_fluid
from napari_retseg.measures.fovea import Fovea, find_fovea
from napari_retseg.measures.intervals import Intervals, Widener
from napari_retseg.measures.live import LiveMeasures
from napari_retseg.measures.projection import project_slab
from napari_retseg.measures.quantities import COLUMNS, Measurement
from napari_retseg.measures.results import Centre, Measures, measure_labels
from napari_retseg.measures.sectors import Sectors, make_etdrs
from napari_retseg.measures.spans import find_spans
from napari_retseg.measures.thickness import Surfaces, find_surfaces

__all__ = [
    "COLUMNS",
    "Calibration",
    "Centre",
    "EnfaceGrid",
    "Fluid",
    "Fovea",
    "Intervals",
    "LiveMeasures",
    "Measurement",
    "Measures",
    "Sectors",
    "Surfaces",
    "Widener",
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

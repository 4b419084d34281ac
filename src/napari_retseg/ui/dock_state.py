"""What the docks show. Knows neither Qt nor napari."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal

from psygnal import SignalGroupDescriptor

from napari_retseg.models import ModelInfo
from napari_retseg.plural import count_noun
from napari_retseg.scan import OctScan

#: In um.
_MILLIMETRE = 1000


@dataclass(frozen=True)
class Notice:
    """One sentence for the user."""

    text: str = ""
    level: Literal["info", "warning", "error"] = "info"


@dataclass(frozen=True)
class ModelChoice:
    """A model that can be chosen."""

    folder: Path
    info: ModelInfo

    @property
    def name(self) -> str:
        """The folder's name, by which the command line finds it, too."""
        return self.folder.name


@dataclass(frozen=True)
class BadModel:
    """A model that cannot be read, and why."""

    name: str
    why: str


@dataclass(frozen=True)
class Work:
    """How far the running job is.

    Attributes
    ----------
    done, total
        B-scans.
    seconds_left
        None before there is an estimate.
    """

    done: int
    total: int
    seconds_left: float | None = None


@dataclass
class PredictState:
    """What all docks that segment show.

    Assigning a field emits ``events.FIELD`` where the value has changed.

    Attributes
    ----------
    scan
        The index of the chosen scan (-1: none).
    scan_text
        What it is, in lines.
    bscan, n_bscans
        The B-scan in view, from 0, and how many there are; 0 where there is no scan.
    models, model
        The models, and the index of the chosen one (-1: none).
    bad_models
        Those that cannot be read.
    work
        How far the running prediction is; None while nothing runs.
    notice
        One sentence for the user.
    """

    scan: int = -1
    scan_text: str = ""
    bscan: int = 0
    n_bscans: int = 0
    models: tuple[ModelChoice, ...] = ()
    model: int = -1
    bad_models: tuple[BadModel, ...] = ()
    work: Work | None = None
    notice: Notice = Notice()
    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    @property
    def chosen_model(self) -> ModelChoice | None:
        """The chosen model."""
        return self.models[self.model] if 0 <= self.model < len(self.models) else None

    @property
    def can_segment(self) -> bool:
        """Whether a B-scan can be segmented now."""
        return self.work is None and self.n_bscans > 0 and self.chosen_model is not None


@dataclass
class SegmentState(PredictState):
    """What the Segment dock shows.

    Attributes
    ----------
    scans
        Names of the layers that may be scans.
    files
        The name of each B-scan's file, where each has one.
    """

    scans: tuple[str, ...] = ()
    files: tuple[str, ...] = ()
    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()


def describe_scan(scan: OctScan) -> str:
    """Say what a scan is: size and laterality, scale and where that came from, notes; by lines."""
    depth, width = scan.spatial_shape[-2:]
    size = f"{depth} × {width} pixels"
    if scan.is_volume:
        noun = "B-scan" if scan.is_oct else "slice"
        size = f"{count_noun(scan.n_bscans, noun)} of {size}"
    if scan.n_channels > 1:
        size += f", {scan.n_channels} channels"
    if scan.laterality is not None:
        size += f", {scan.laterality}"
    return "\n".join((size, _describe_scale(scan), *scan.notes))


def _describe_scale(scan: OctScan) -> str:
    axial, lateral = scan.spacing_um[-2:]
    if axial is None or lateral is None:
        return "pixel size unknown"
    factor, unit = (1, "µm") if min(axial, lateral) < _MILLIMETRE else (_MILLIMETRE, "mm")
    text = f"{axial / factor:.3g} × {lateral / factor:.3g} {unit}"
    if scan.n_bscans > 1:
        apart = scan.spacing_um[0]
        text += ", distance unknown" if apart is None else f", {_write_length(apart)} apart"
    return f"{text} ({scan.spacing_source})"


def _write_length(length_um: float) -> str:
    if length_um < _MILLIMETRE:
        return f"{length_um:.3g} µm"
    return f"{length_um / _MILLIMETRE:.3g} mm"

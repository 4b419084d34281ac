"""What a workspace tells about its scans and predictions: plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from napari_retseg.dataset import Case, Split
from napari_retseg.dataset.pagedlabels import LabelVolume
from napari_retseg.events import Runs
from napari_retseg.scan import Laterality, SpacingSource

#: Class values of one B-scan, ``(depth, width)``.
Plane = NDArray[np.uint8]
#: How far a B-scan's labels are; one without a state is untouched.
State = Literal["corrected", "confirmed"]


@dataclass(frozen=True)
class ScanEntry:
    """One scan of a workspace.

    Attributes
    ----------
    name
        Its name in the workspace, that of its folders of labels and predictions.
    path
        The file, or folder of B-scans; it may lie outside the workspace.
    group
        The patient (or eye, where the patient is not known).
    split
        None: not pinned yet.
    is_missing
        Whether nothing lies at `path`.
    n_bscans
        None where the scan was never read.
    spacing_um
        Pixel size for each spatial axis, None where unknown; empty where none is known.
    spacing_source
        Where the spacing came from.
    shape
        The shape of the labels; None where the scan was never read.
    """

    name: str
    path: Path
    group: str
    split: Split | None = None
    is_missing: bool = False
    n_bscans: int | None = None
    spacing_um: tuple[float | None, ...] = ()
    spacing_source: SpacingSource = "unknown"
    laterality: Laterality | None = None
    shape: tuple[int, ...] | None = None


class PredictingModel(Protocol):
    """What is kept of a model that predicted: a ``ModelInfo`` has it."""

    @property
    def name(self) -> str:
        """The model's name."""
        ...

    @property
    def weights_id(self) -> str:
        """What tells its weights from all others."""
        ...


@dataclass(frozen=True)
class PredictedBscan:
    """What a model said about one B-scan, but the labels.

    Attributes
    ----------
    score
        How unsure the model was, 0 to 1; None where it was not asked.
    descriptor
        What the B-scan looks like to the model; empty where it was not asked.
    weights_id, model
        Which model it was.
    options
        With what options it was asked, as one text.
    scan
        SHA-256 of the scan that it was shown; empty where that was not noted.
    doubtful
        Runs of A-scans in which the evidence for the layers is poor.
    propagated
        Confirmed B-scans whose corrections were carried over into these labels; empty where the
        labels are the model's own.
    """

    score: float | None = None
    descriptor: tuple[float, ...] = ()
    weights_id: str = ""
    model: str = ""
    options: str = ""
    scan: str = ""
    doubtful: Runs = ()
    propagated: tuple[int, ...] = ()


@dataclass(frozen=True)
class StoredPrediction:
    """What models said about a scan.

    Attributes
    ----------
    labels
        Class values, of the scan's spatial shape; 0 where nothing is predicted.
    bscans
        The B-scans that are predicted.
    weights_id, model
        The model that predicted last.
    own
        Of the B-scans to which corrections were carried: what the model said of each,
        ``(depth, width)``.
    """

    labels: LabelVolume = field(compare=False)
    bscans: Mapping[int, PredictedBscan]
    weights_id: str
    model: str
    own: Mapping[int, NDArray[np.uint8]] = field(default_factory=dict, compare=False)


def describe_entry(case: Case, *, is_missing: bool) -> ScanEntry:
    """Make the entry of a case of a workspace's dataset."""
    about = case.about
    spacing = about.get("spacing_um") or ()
    source: SpacingSource = "unknown"
    if any(size is not None for size in spacing):
        stated = about.get("spacing_source")
        source = stated if stated in ("user", "derived") else "file"
    shape = shape_of(case)
    return ScanEntry(
        name=about["name"],
        path=case.image,
        group=case.group,
        split=case.split,
        is_missing=is_missing,
        n_bscans=None if shape is None else count_bscans(shape),
        spacing_um=tuple(spacing),
        spacing_source=source,
        laterality=about.get("laterality"),
        shape=shape,
    )


def shape_of(case: Case) -> tuple[int, ...] | None:
    """Return the shape of a case's labels, where the workspace noted it."""
    shape = case.about.get("shape")
    return tuple(int(n) for n in shape) if shape else None


def count_bscans(shape: tuple[int, ...]) -> int:
    """Return the number of B-scans of a spatial shape; 1 without a third axis."""
    return shape[0] if len(shape) == 3 else 1

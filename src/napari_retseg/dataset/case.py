"""One scan of a dataset: its files, its patient, its part of the split, its B-scans' states."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from napari_retseg.acquisition import BY_USER
from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.dataset.matching import read_label_folder
from napari_retseg.dataset.planes import is_sparse, read_planes
from napari_retseg.errors import InputError
from napari_retseg.io import read_grid, read_labels, read_scan
from napari_retseg.io.suffixes import stem_of
from napari_retseg.plural import count_noun
from napari_retseg.scan import Laterality, OctScan

Split = Literal["train", "val", "test"]
#: Name, time of writing, time of the last change of any kind, size and number of each file.
Stamp = tuple[tuple[str, int, int, int, int], ...]
_Bscan = Annotated[int, Field(ge=0, lt=1_000_000)]


class BscanState(BaseModel):
    """How far a B-scan's labels are: only confirmed ones are trained on and scored."""

    model_config = ConfigDict(frozen=True)

    state: Literal["predicted", "corrected", "confirmed"]
    model: str | None = Field(
        None, description="weights_id of the model that predicted this B-scan"
    )
    when: AwareDatetime | None = None


class Case(BaseModel):
    """A scan with its labels.

    Attributes
    ----------
    image, label
        Absolute paths of a file, or of a folder with one file for each B-scan. A label
        folder of a case with `bscans` may be sparse (:mod:`napari_retseg.dataset.planes`).
    group
        The patient (or eye, where the patient is not known).
    split
        None: not pinned yet.
    bscans
        State of each B-scan; None: all that `label` annotates are taken as confirmed.
    heldout_bscans
        Of a case whose patient is the only one: these are scored on (split ``val``), the
        others are trained on.
    unused_bscans
        The gap between the two: neither trained nor scored on.
    about
        What else ``dataset.json`` says about the case, kept as it is. Where it says
        ``"spacing_source": "user"``, its ``spacing_um`` takes the place of the file's, and
        its ``laterality`` that of the file.
    """

    model_config = ConfigDict(frozen=True)

    image: Path
    label: Path | None = None
    group: str = Field(min_length=1, max_length=1000)
    split: Split | None = None
    bscans: dict[_Bscan, BscanState] | None = None
    heldout_bscans: tuple[_Bscan, ...] = ()
    unused_bscans: tuple[_Bscan, ...] = ()
    about: dict[str, Any] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _check(self) -> Case:
        if not self.image.is_absolute() or not (self.label is None or self.label.is_absolute()):
            raise ValueError("image and label are absolute paths")
        return self

    @property
    def name(self) -> str:
        """The image's name without its suffix."""
        return stem_of(self.image)

    @property
    def has_annotation(self) -> bool:
        """Whether it has labels that count, as far as one knows without reading them."""
        if self.label is None:
            return False
        return self.bscans is None or any(b.state == "confirmed" for b in self.bscans.values())

    def read_scan(self) -> OctScan:
        """Read the image, with what the user said about its spacing and laterality.

        Raises
        ------
        InputError
            Where it cannot be read, or what is said about it does not fit.
        """
        scan = read_scan(self.image, spacing_um=self._given_spacing())
        laterality = self.about.get("laterality")
        if laterality in get_args(Laterality) and laterality != scan.laterality:
            about = replace(scan.acquisition, laterality_from=BY_USER)
            return replace(scan, laterality=laterality, acquisition=about)
        return scan

    def _given_spacing(self) -> tuple[float | None, ...] | None:
        if self.about.get("spacing_source") != "user":
            return None
        given = self.about.get("spacing_um")
        sizes = given if isinstance(given, list | tuple) and given else [given]
        if not all(size is None or type(size) in (int, float) for size in sizes):
            raise InputError(
                f"{self.image}: spacing_um in dataset.json must be pixel sizes, not "
                f"{str(given)[:80]}"
            )
        return tuple(sizes)

    def read_labels(
        self, labels: LabelSet | None = None, *, shape: tuple[int, ...] | None = None
    ) -> NDArray[np.uint8]:
        """Read the label values, of the scan's spatial shape.

        Parameters
        ----------
        labels
            The values that may occur; None does not check them.
        shape
            The scan's shape, where it is known already.

        Returns
        -------
        ndarray of uint8
            Of a sparse label folder the confirmed B-scans only; the others are 255.

        Raises
        ------
        InputError
            Where there is no label file, or its shape is not the scan's, or it holds a
            value that `labels` does not know.
        """
        if self.label is None:
            raise InputError(f"{self.image}: has no labels")
        values = self._read_values(self.label, shape or self.read_scan().spatial_shape)
        n_bscans = 1 if values.ndim == 2 else len(values)
        if self.bscans and max(self.bscans) >= n_bscans:
            raise InputError(
                f"{self.image}: has {count_noun(n_bscans, 'B-scan')}, but dataset.json has a "
                f"state for B-scan {max(self.bscans)}; correct dataset.json"
            )
        unknown = [] if labels is None else labels.unknown_values(values)
        if labels is not None and unknown:
            known = ", ".join(f"{c.value} {c.name}" for c in labels.classes)
            raise InputError(
                f"{self.label}: label values {unknown} do not belong to a class ({known}; "
                f"{IGNORE} not annotated); add them to dataset.json or correct the file"
            )
        return values

    def _read_values(self, label: Path, shape: tuple[int, ...]) -> NDArray[np.uint8]:
        """Read a file or a full folder as it is, of a sparse folder what counts.

        B-scans that somebody still paints on would only get in the way.
        """
        n_bscans = shape[0] if len(shape) == 3 else 1
        if not label.is_dir():
            # a file on another grid is brought to the scan's, or refused
            return read_labels(label, shape=shape, grid=read_grid(self.image), image=self.image)
        if self.bscans is None or (len(shape) == 3 and not is_sparse(label, n_bscans=n_bscans)):
            return read_label_folder(label, self.image, shape)
        return read_planes(label, shape, missing=IGNORE, only=set(self.annotated_bscans()))

    def annotated_bscans(self) -> list[int]:
        """Indices of the B-scans whose labels count.

        Confirmed ones where the case has states, otherwise those with at least one pixel
        that is not 255.
        """
        if self.label is None:
            return []
        if self.bscans is not None:
            return sorted(i for i, b in self.bscans.items() if b.state == "confirmed")
        where = stamp(self.label) + stamp(self.image)
        return list(_find_annotated(self.label, self.image, where))


def stamp(path: Path) -> Stamp:
    """Names, times, sizes and numbers of a file, or of a folder's: they change with the content.

    The time of the last change of any kind is set by the system alone: a file that is replaced by
    one of the same size and time of writing has another one.
    """
    try:
        files = [entry.path for entry in os.scandir(path)] if path.is_dir() else [str(path)]
        stats = [(file, Path(file).stat()) for file in sorted(files)]
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    return tuple(
        (file, stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino)
        for file, stat in stats
    )


@lru_cache(maxsize=4096)
def _find_annotated(label: Path, image: Path, _stamp: Stamp) -> tuple[int, ...]:
    """Read the labels once for each content of the files."""
    if label.is_dir():
        labels = read_label_folder(label, image, read_scan(image).spatial_shape)
    else:
        labels = read_labels(label, grid=read_grid(image))
    planes = labels[np.newaxis] if labels.ndim == 2 else labels
    return tuple(i for i, plane in enumerate(planes) if (plane != IGNORE).any())

"""What models said: a PNG for each B-scan, and ``about.json`` beside them."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from napari_retseg.anchor import Anchor
from napari_retseg.classes import IGNORE
from napari_retseg.dataset.pagedlabels import LabelVolume, open_planes
from napari_retseg.dataset.planes import (
    list_planes,
    plane_path,
    read_plane,
    write_plane,
)
from napari_retseg.errors import InputError, NotThereError, explaining
from napari_retseg.events import BscanUncertainty, Runs
from napari_retseg.io.atomic import write_json
from napari_retseg.records import read_record
from napari_retseg.workspace.entry import PredictedBscan, PredictingModel, StoredPrediction
from napari_retseg.workspace.layout import PREDICTIONS

_ABOUT = "about.json"
_UNCERTAINTY = "uncertainty"
#: What the model said of B-scans to which corrections were carried.
_OWN = "own"

#: Labels of a B-scan, and how unsure the model is of them.
Predicted = tuple[NDArray[np.uint8], BscanUncertainty | None]
#: Other labels of a predicted B-scan, and the B-scans whose corrections were carried into them.
Changed = tuple[NDArray[np.uint8], tuple[int, ...]]


class _Bscan(BaseModel):
    """What ``about.json`` says of one B-scan."""

    score: Annotated[float, Field(ge=0, le=1)] | None = None
    descriptor: Annotated[tuple[float, ...], Field(max_length=4096)] = ()
    weights_id: str | None = None
    model: str | None = None
    options: str = ""
    scan: str = ""
    doubtful: Runs = ()
    propagated: Annotated[tuple[Annotated[int, Field(ge=0)], ...], Field(max_length=64)] = ()


class _About(BaseModel):
    """``about.json``: the last model, and what is known of each B-scan."""

    weights_id: str = ""
    model: str = ""
    bscans: dict[Annotated[int, Field(ge=0)], _Bscan] = Field(default_factory=dict)


@dataclass(frozen=True)
class _Stored:
    """What is known of a scan's predictions.

    Attributes
    ----------
    problem
        Why nothing is known of what lies there; empty where all is well.
    """

    weights_id: str = ""
    model: str = ""
    bscans: Mapping[int, PredictedBscan] = field(default_factory=dict)
    problem: str = ""


class Predictions:
    """The predictions of a workspace; what was read once is kept in memory, but for the labels.

    A prediction is known by the content of its scan, by its model's weights and its options. One
    that was made of another scan, or of which nobody noted what it is, does not count. What cannot
    be read does not, either, and :meth:`problem` says why.

    Parameters
    ----------
    anchor
        The workspace's folder.
    """

    def __init__(self, anchor: Anchor) -> None:
        self._anchor = anchor
        self._known: dict[str, _Stored] = {}
        self._lock = threading.Lock()

    def bscans(self, name: str, scan: str | None) -> Mapping[int, PredictedBscan]:
        """Return what is known of the predicted B-scans of a scan of a content (SHA-256)."""
        known = self._stored(name).bscans
        return {b: p for b, p in known.items() if not p.scan or scan is None or p.scan == scan}

    def problem(self, name: str) -> str:
        """Return why the predictions of a scan cannot be read; empty where they can."""
        return self._stored(name).problem

    def read(self, name: str, shape: tuple[int, ...], scan: str | None) -> StoredPrediction | None:
        """Read a scan's prediction; None where there is none that can be read."""
        stored, bscans = self._stored(name), self.bscans(name, scan)
        if not bscans:
            return None
        try:
            # a damaged B-scan of a volume that is not read as a whole: not annotated
            labels = open_planes(self._folder(name), shape, only=set(bscans), instead=IGNORE)
            own = self._read_own(name, shape, {b for b, p in bscans.items() if p.propagated})
        except InputError as error:
            self._keep(name, _Stored(problem=str(error)))
            return None
        return StoredPrediction(labels, bscans, stored.weights_id, stored.model, own)

    def open_blank(self, name: str, shape: tuple[int, ...]) -> LabelVolume:
        """Open the labels of a scan without a prediction; paged ones find what is written then."""
        return open_planes(self._folder(name), shape, only=set(), instead=IGNORE)

    def _read_own(
        self, name: str, shape: tuple[int, ...], only: set[int]
    ) -> dict[int, NDArray[np.uint8]]:
        folder = self._anchor.listed(self._folder(name) / _OWN)
        there = only.intersection(list_planes(folder))
        return {b: read_plane(plane_path(folder, b), (shape[-2], shape[-1])) for b in there}

    def read_uncertainty(
        self, name: str, shape: tuple[int, ...], scan: str | None
    ) -> LabelVolume | None:
        """Read the entropy of each pixel, 0 where it is not known; None where it nowhere is."""
        folder = self._anchor.listed(self._folder(name) / _UNCERTAINTY)
        only = {b for b, p in self.bscans(name, scan).items() if p.score is not None}
        there = only.intersection(list_planes(folder))
        return open_planes(folder, shape, only=there, instead=0) if there else None

    def write(
        self,
        name: str,
        planes: Mapping[int, Predicted],
        model: PredictingModel,
        *,
        scan: str | None,
        options: str,
        doubtful: Mapping[int, Runs],
    ) -> None:
        """Write the labels of B-scans, then what is known of them.

        Raises
        ------
        InputError
            Where a file cannot be written.
        """
        folder, stored = self._anchor.folder(Path(PREDICTIONS, name)), self._stored(name)
        made = PredictedBscan(
            weights_id=model.weights_id, model=model.name, options=options, scan=scan or ""
        )
        bscans = {b: p for b, p in stored.bscans.items() if b not in planes}
        if len(bscans) < len(stored.bscans):
            # whenever the program dies, labels are not taken for those of another model
            self._write_about(name, folder, replace(stored, bscans=bscans, problem=""))
        for bscan, (plane, uncertainty) in planes.items():
            write_plane(plane_path(folder, bscan), plane)
            self._anchor.remove(plane_path(folder / _OWN, bscan))
            entropy = plane_path(folder / _UNCERTAINTY, bscan)
            own = replace(made, doubtful=doubtful.get(bscan, ()))
            if uncertainty is None:
                bscans[bscan] = own
                self._anchor.remove(entropy)
                continue
            write_plane(entropy, uncertainty.entropy)
            descriptor = tuple(float(value) for value in uncertainty.descriptor)
            score = float(uncertainty.score)
            bscans[bscan] = replace(own, score=score, descriptor=descriptor)
        self._write_about(name, folder, _Stored(model.weights_id, model.name, bscans))

    def change(self, name: str, planes: Mapping[int, Changed], *, scan: str | None) -> None:
        """Write other labels for B-scans that are predicted; what else is known of them stays.

        The model's own labels are put aside while others are there that it did not make.

        B-scans of which nothing is known are left out.

        Raises
        ------
        InputError
            Where a file cannot be written.
        """
        folder, stored = self._anchor.folder(Path(PREDICTIONS, name)), self._stored(name)
        known = self.bscans(name, scan)
        chosen = {b: changed for b, changed in planes.items() if b in known}
        others = {b: p for b, p in stored.bscans.items() if b not in chosen}
        self._write_about(name, folder, replace(stored, bscans=others))
        for bscan, (plane, sources) in chosen.items():
            if not sources:
                self._anchor.remove(plane_path(folder / _OWN, bscan))
            elif not known[bscan].propagated:
                self._put_aside(folder, bscan)
            write_plane(plane_path(folder, bscan), plane)
        changed = {b: replace(known[b], propagated=sources) for b, (_, sources) in chosen.items()}
        self._write_about(name, folder, replace(stored, bscans={**others, **changed}))

    def _put_aside(self, folder: Path, bscan: int) -> None:
        path = plane_path(folder, bscan)
        with explaining(path, "cannot be moved"):
            path.replace(plane_path(self._anchor.make_folder(folder / _OWN), bscan))

    def forget(self, name: str) -> None:
        """Read a scan's files again when they are asked for."""
        with self._lock:
            self._known.pop(name, None)

    def _write_about(self, name: str, folder: Path, stored: _Stored) -> None:
        write_json(folder / _ABOUT, _encode(stored))
        self._keep(name, stored)

    def _keep(self, name: str, stored: _Stored) -> None:
        with self._lock:
            self._known[name] = stored

    def _stored(self, name: str) -> _Stored:
        with self._lock:
            if name not in self._known:
                self._known[name] = self._read_stored(name)
            return self._known[name]

    def _read_stored(self, name: str) -> _Stored:
        """Read ``about.json``; B-scans without a file of labels do not count."""
        try:
            folder = self._folder(name)
            about = read_record(folder / _ABOUT, _About)
            there = set(list_planes(folder))
        except NotThereError:
            return _Stored()
        except InputError as error:
            return _Stored(problem=f"{error}; segment the scan again")
        known = {b: _decode(found, about) for b, found in about.bscans.items() if b in there}
        return _Stored(about.weights_id, about.model, known)

    def _folder(self, name: str) -> Path:
        return self._anchor.listed(Path(PREDICTIONS, name))


def _encode(stored: _Stored) -> dict[str, Any]:
    """Name the model of a B-scan only where it is another than the last."""
    bscans = {}
    for bscan, found in sorted(stored.bscans.items()):
        values: dict[str, Any] = {}
        if found.score is not None:
            values |= {"score": found.score, "descriptor": list(found.descriptor)}
        if (found.weights_id, found.model) != (stored.weights_id, stored.model):
            values |= {"weights_id": found.weights_id, "model": found.model}
        for key in ("options", "scan"):
            if value := getattr(found, key):
                values[key] = value
        if found.doubtful:
            values["doubtful"] = [list(run) for run in found.doubtful]
        if found.propagated:
            values["propagated"] = list(found.propagated)
        bscans[str(bscan)] = values
    return {"weights_id": stored.weights_id, "model": stored.model, "bscans": bscans}


def _decode(found: _Bscan, about: _About) -> PredictedBscan:
    own = found.model_dump(exclude_none=True)
    return PredictedBscan(**{"weights_id": about.weights_id, "model": about.model, **own})

"""The labels of a workspace, and what models said."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_retseg.dataset import BscanState, Case
from napari_retseg.dataset.pagedlabels import LabelVolume, open_planes
from napari_retseg.dataset.planes import list_planes, plane_path, write_plane
from napari_retseg.errors import InputError
from napari_retseg.events import BscanUncertainty, Runs
from napari_retseg.plural import count_noun
from napari_retseg.workspace.base import OpenedWorkspace
from napari_retseg.workspace.entry import (
    Plane,
    PredictedBscan,
    PredictingModel,
    State,
    StoredPrediction,
    count_bscans,
)
from napari_retseg.workspace.layout import LABELS
from napari_retseg.workspace.predictions import Changed, Predicted


class Labelling(OpenedWorkspace):
    """The part of a workspace that knows its labels and predictions."""

    def states(self, name: str) -> dict[int, State]:
        """Return the state of each B-scan that has labels."""
        bscans = self._book.get(name).bscans or {}
        return {
            i: "confirmed" if b.state == "confirmed" else "corrected" for i, b in bscans.items()
        }

    def begun_with(self, name: str) -> dict[int, str]:
        """Return the ``weights_id`` of the prediction that a B-scan's labels began with.

        B-scans whose labels began with none are left out.
        """
        bscans = self._book.get(name).bscans or {}
        return {i: b.model for i, b in bscans.items() if b.model}

    def read_labels(self, name: str) -> NDArray[np.uint8]:
        """Read class values of the scan's spatial shape; 0 in B-scans without labels.

        Raises
        ------
        InputError
            Where a file is damaged or does not fit.
        """
        return np.asarray(self.open_labels(name))

    def open_labels(self, name: str) -> LabelVolume:
        """Open class values of the scan's spatial shape; 0 in B-scans without labels.

        Those of a volume that memory may not hold come B-scan by B-scan, when they are asked for.

        Raises
        ------
        InputError
            Where a file is damaged or does not fit.
        """
        with self._lock:
            shape = self._shape(self._book.get(name))
            return open_planes(self.label_folder(name), shape)

    def write_labels(
        self, name: str, bscan: int, plane: Plane, *, state: State, model: str | None = None
    ) -> None:
        """Write one B-scan's labels.

        A program that dies in between leaves the labels as they were or as they are to be, and
        never a confirmed B-scan with labels that nobody confirmed.

        Parameters
        ----------
        name, bscan
            Where.
        plane
            Class values, ``(depth, width)``.
        state
            What they are from now on.
        model
            ``weights_id`` of the model whose prediction they came from.

        Raises
        ------
        InputError
            Where they do not fit, or cannot be written.
        """
        with self._changing():
            case = self._book.get(name)
            self._check_plane(case, bscan, plane)
            before = (case.bscans or {}).get(bscan)
            if before is not None and model is None:
                model = before.model
            now = BscanState(state=state, model=model, when=datetime.now(UTC))
            path = plane_path(self.anchor.folder(Path(LABELS, name)), bscan)
            states = {**(case.bscans or {}), bscan: now}
            changed = case.model_copy(update={"label": path.parent, "bscans": states})
            was_confirmed = before is not None and before.state == "confirmed"
            if was_confirmed and state != "confirmed":
                self._book.change(changed)
                write_plane(path, plane)
                return
            write_plane(path, plane)
            # a stroke on a B-scan that is being corrected changes nothing but its file
            if before is None or before.model != model or state == "confirmed":
                self._book.change(changed)

    def clear_labels(self, name: str, bscans: Iterable[int]) -> None:
        """Take the labels of B-scans away: they are untouched again.

        Raises
        ------
        InputError
            Where the files cannot be written.
        """
        with self._changing():
            case = self._book.get(name)
            gone = set(bscans)
            states = {i: b for i, b in (case.bscans or {}).items() if i not in gone}
            folder = self.anchor.folder(Path(LABELS, name))
            update = {"label": folder if states else None, "bscans": states or None}
            self._book.change(case.model_copy(update=update))
            for bscan in gone.intersection(list_planes(folder)):
                self.anchor.remove(plane_path(folder, bscan))

    def predictions(self, name: str) -> Mapping[int, PredictedBscan]:
        """Return what models said of each predicted B-scan but the labels, from memory."""
        return self._predictions.bscans(name, self.content_of(name))

    def read_prediction(self, name: str) -> StoredPrediction | None:
        """Read what models said of a scan; None where none was asked, or it cannot be read."""
        with self._lock:
            shape = self._shape(self._book.get(name))
            return self._predictions.read(name, shape, self.content_of(name))

    def open_blank(self, name: str) -> LabelVolume:
        """Open the predicted labels of a scan of which nothing is predicted: 0 everywhere."""
        with self._lock:
            return self._predictions.open_blank(name, self._shape(self._book.get(name)))

    def read_uncertainty(self, name: str) -> LabelVolume | None:
        """Read the entropy of each predicted pixel, 0 to 255; None where none is stored.

        Raises
        ------
        InputError
            Where a file is damaged or does not fit.
        """
        with self._lock:
            shape = self._shape(self._book.get(name))
            return self._predictions.read_uncertainty(name, shape, self.content_of(name))

    def write_prediction(
        self,
        name: str,
        bscan: int,
        plane: Plane,
        *,
        model: PredictingModel,
        uncertainty: BscanUncertainty | None = None,
        options: str = "",
        doubtful: Runs = (),
    ) -> None:
        """Write what a model said of one B-scan.

        Raises
        ------
        InputError
            Where it does not fit, or cannot be written.
        """
        said, poor = {bscan: (plane, uncertainty)}, {bscan: doubtful}
        self.write_predictions(name, said, model=model, options=options, doubtful=poor)

    def write_predictions(
        self,
        name: str,
        planes: Mapping[int, Predicted],
        *,
        model: PredictingModel,
        options: str = "",
        doubtful: Mapping[int, Runs] | None = None,
    ) -> None:
        """Write what a model said of several B-scans.

        Parameters
        ----------
        name
            Which scan.
        planes
            Labels, and uncertainty or None.
        model
            Which model it was.
        options
            With what options it was asked, as one text.
        doubtful
            The runs of A-scans with poor evidence, by B-scan.

        Raises
        ------
        InputError
            Where they do not fit, or cannot be written.
        """
        with self._changing():
            case = self._book.get(name)
            for bscan, (plane, _) in planes.items():
                self._check_plane(case, bscan, plane)
            scan = self.content_of(name)
            self._predictions.write(
                name, planes, model, scan=scan, options=options, doubtful=doubtful or {}
            )

    def change_predictions(self, name: str, planes: Mapping[int, Changed]) -> None:
        """Write other labels for predicted B-scans, each with those that it was corrected by.

        The model, its options and its uncertainty stay as they are.

        Raises
        ------
        InputError
            Where they do not fit, or cannot be written.
        """
        with self._changing():
            case = self._book.get(name)
            for bscan, (plane, _) in planes.items():
                self._check_plane(case, bscan, plane)
            self._predictions.change(name, planes, scan=self.content_of(name))

    def _check_plane(self, case: Case, bscan: int, plane: Plane) -> None:
        shape = self._shape(case)
        if not 0 <= bscan < count_bscans(shape):
            raise InputError(
                f"{case.about['name']}: has {count_noun(count_bscans(shape), 'B-scan')}, but no "
                f"B-scan {bscan}"
            )
        if plane.shape != shape[-2:] or plane.dtype != np.uint8:
            raise InputError(
                f"{case.about['name']}: labels of B-scan {bscan} are {plane.dtype} of shape "
                f"{plane.shape}; uint8 of {shape[-2:]} needed"
            )

"""What models said: a PNG for each B-scan, and ``about.json`` beside them."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.anchor import Anchor
from napari_retseg.classes import BACKGROUND
from napari_retseg.dataset.planes import list_planes, plane_path, read_planes, write_plane
from napari_retseg.errors import InputError
from napari_retseg.events import BscanUncertainty
from napari_retseg.io.atomic import write_json
from napari_retseg.workspace.entry import PredictedBscan, PredictingModel, StoredPrediction
from napari_retseg.workspace.layout import PREDICTIONS

_ABOUT = "about.json"
_UNCERTAINTY = "uncertainty"

#: Labels of a B-scan, and how unsure the model is of them.
Predicted = tuple[NDArray[np.uint8], BscanUncertainty | None]


@dataclass(frozen=True)
class _About:
    """The last model, and what is known of each B-scan."""

    weights_id: str = ""
    model: str = ""
    bscans: Mapping[int, PredictedBscan] = field(default_factory=dict)


class Predictions:
    """The predictions of a workspace; what was read once is kept in memory, but for the labels.

    Parameters
    ----------
    anchor
        The workspace's folder.
    """

    def __init__(self, anchor: Anchor) -> None:
        self._anchor = anchor
        self._known: dict[str, _About] = {}
        self._lock = threading.Lock()

    def bscans(self, name: str) -> Mapping[int, PredictedBscan]:
        """Return what is known of the predicted B-scans of a scan."""
        return self._about(name).bscans

    def read(self, name: str, shape: tuple[int, ...]) -> StoredPrediction | None:
        """Read a scan's prediction; None where there is none.

        Raises
        ------
        InputError
            Where a file is damaged or does not fit the scan.
        """
        about = self._about(name)
        if not about.bscans:
            return None
        only = set(about.bscans)
        labels = read_planes(self._folder(name), shape, missing=BACKGROUND, only=only)
        return StoredPrediction(labels, about.bscans, about.weights_id, about.model)

    def read_uncertainty(self, name: str, shape: tuple[int, ...]) -> NDArray[np.uint8] | None:
        """Read the entropy of each pixel, 0 where it is not known; None where it nowhere is."""
        folder = self._anchor.listed(self._folder(name) / _UNCERTAINTY)
        return read_planes(folder, shape, missing=0) if list_planes(folder) else None

    def write(self, name: str, planes: Mapping[int, Predicted], model: PredictingModel) -> None:
        """Write the labels of B-scans, then what is known of them.

        Raises
        ------
        InputError
            Where a file cannot be written.
        """
        folder = self._folder(name)
        bscans = dict(self._about(name).bscans)
        for bscan, (plane, uncertainty) in planes.items():
            write_plane(plane_path(folder, bscan), plane)
            bscans[bscan] = PredictedBscan(weights_id=model.weights_id, model=model.name)
            entropy = plane_path(folder / _UNCERTAINTY, bscan)
            if uncertainty is None:
                self._anchor.remove(entropy)
                continue
            write_plane(entropy, uncertainty.entropy)
            descriptor = tuple(float(value) for value in uncertainty.descriptor)
            bscans[bscan] = replace(
                bscans[bscan], score=float(uncertainty.score), descriptor=descriptor
            )
        about = _About(model.weights_id, model.name, bscans)
        write_json(folder / _ABOUT, _encode(about))
        with self._lock:
            self._known[name] = about

    def forget(self, name: str) -> None:
        """Read a scan's files again when they are asked for."""
        with self._lock:
            self._known.pop(name, None)

    def _about(self, name: str) -> _About:
        with self._lock:
            if name not in self._known:
                self._known[name] = _read_about(self._folder(name))
            return self._known[name]

    def _folder(self, name: str) -> Path:
        return self._anchor.listed(Path(PREDICTIONS, name))


def _encode(about: _About) -> dict[str, Any]:
    """Name the model of a B-scan only where it is another than the last."""
    bscans = {}
    for bscan, found in sorted(about.bscans.items()):
        values: dict[str, Any] = {}
        if found.score is not None:
            values |= {"score": found.score, "descriptor": list(found.descriptor)}
        if (found.weights_id, found.model) != (about.weights_id, about.model):
            values |= {"weights_id": found.weights_id, "model": found.model}
        bscans[str(bscan)] = values
    return {"weights_id": about.weights_id, "model": about.model, "bscans": bscans}


def _read_about(folder: Path) -> _About:
    """Read ``about.json``; B-scans without a file of labels do not count."""
    path = folder / _ABOUT
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        weights_id, model = str(content["weights_id"]), str(content["model"])
        plain = PredictedBscan(weights_id=weights_id, model=model)
        stored = {int(k): _decode(v, plain) for k, v in content["bscans"].items()}
    except FileNotFoundError:
        return _About()
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError) as error:
        raise InputError(
            f"{path}: describes no prediction ({error}); delete it and predict again"
        ) from error
    there = list_planes(folder)
    return _About(weights_id, model, {bscan: stored.get(bscan, plain) for bscan in there})


def _decode(values: Mapping[str, Any], plain: PredictedBscan) -> PredictedBscan:
    score = values.get("score")
    return PredictedBscan(
        score=None if score is None else float(score),
        descriptor=tuple(float(value) for value in values.get("descriptor", ())),
        weights_id=str(values.get("weights_id", plain.weights_id)),
        model=str(values.get("model", plain.model)),
    )

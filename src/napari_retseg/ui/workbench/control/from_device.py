"""The device's own layers, taken as the prediction of the open scan."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_retseg.device_layers import DEVICE_ID, find_device_classes, label_device_layers
from napari_retseg.plural import count_noun
from napari_retseg.scan import BOUNDARIES
from napari_retseg.ui.layers import plane
from napari_retseg.ui.workbench.control.correcting import Correcting
from napari_retseg.ui.workbench.control.open_scan import OpenScan
from napari_retseg.ui.workbench.control.session import Session
from napari_retseg.workspace import Workspace

Planes = dict[int, NDArray[np.uint8]]


@dataclass(frozen=True)
class Device:
    """What stands in the place of a model where a device found the layers."""

    name: str = "the device"
    weights_id: str = DEVICE_ID


class FromDevice:
    """Writes the layers between the device's boundaries as predictions, to be accepted."""

    def __init__(self, session: Session, correcting: Correcting) -> None:
        self._session = session
        self._correcting = correcting

    def take(self) -> None:
        """Replace the prediction of the open scan; labels stay."""
        opened, workspace = self._session.opened, self._session.find_writable()
        if opened is None or workspace is None:
            return
        scan, classes = opened.loaded.scan, opened.loaded.classes
        if not find_device_classes(scan, classes):
            names = ", ".join(scan.metadata.get(BOUNDARIES, {}))
            self._session.notify(
                f"The device's boundaries ({names}) do not enclose any class of this workspace. "
                "Add the class “retina” with Classes… to use ILM and BM.",
                "warning",
            )
            return
        self._correcting.keep("use device layers")
        self._correcting.show_prediction()
        self._session.submit(partial(_write, workspace, opened), partial(self._show, opened))

    def _show(self, opened: OpenScan, planes: Planes) -> None:
        self._session.written.emit()
        if self._session.opened is not opened:
            return
        self._correcting.check()  # what is painted by now was painted without this prediction
        for bscan, labels in planes.items():
            plane(opened.loaded.prediction, bscan)[...] = labels
            opened.loaded.predicted[bscan] = None
            opened.loaded.models[bscan] = DEVICE_ID
            opened.loaded.propagated.pop(bscan, None)
            opened.loaded.doubtful.pop(bscan, None)
        opened.prediction.refresh()
        self._session.changed.emit(tuple(planes))
        self._correcting.show_strip()
        found = ", ".join(find_device_classes(opened.loaded.scan, opened.loaded.classes))
        count = count_noun(len(planes), "B-scan")
        self._session.notify(
            f"The device's layers ({found}) are now the prediction of {count}. Check them, then "
            "accept what is right."
        )


def _write(workspace: Workspace, opened: OpenScan) -> Planes:
    loaded = opened.loaded
    planes = {
        bscan: label_device_layers(loaded.scan, bscan, loaded.classes)
        for bscan in range(opened.n_bscans)
    }
    predicted = {bscan: (labels, None) for bscan, labels in planes.items()}
    workspace.write_predictions(loaded.name, predicted, model=Device())
    return planes

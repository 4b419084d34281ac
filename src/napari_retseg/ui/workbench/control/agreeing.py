"""How far any two labels layers of the viewer agree. Knows no Qt."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.agreement import Cohort, Eye, compare_labels
from napari_retseg.agreement.pairing import check_same, translate
from napari_retseg.agreement.tables import write_tables
from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.errors import InputError, explaining
from napari_retseg.plural import count_noun
from napari_retseg.scan import OctScan
from napari_retseg.ui.comparing import find_fault
from napari_retseg.ui.layers import AXES, CLASSES
from napari_retseg.ui.provenance import attributes_of, find_grid, measure_spacing, place_of
from napari_retseg.ui.workbench.control.session import Session
from napari_retseg.workspace import State

if TYPE_CHECKING:
    from napari.layers import Labels


@dataclass(frozen=True, eq=False)
class Compared:
    """Two layers as they were when they were compared."""

    names: tuple[str, str]
    eye: Eye
    cohort: Cohort


@dataclass(frozen=True, eq=False)
class LayerValues:
    """What is known of a layer.

    Attributes
    ----------
    values
        The layer's own array, which may still be painted on.
    classes
        Where they are named.
    counting
        The B-scans that count; None: all.
    """

    name: str
    values: NDArray[Any]
    classes: LabelSet | None
    counting: Collection[int] | None


class Agreeing:
    """Compares labels layers. Methods are called on the GUI's thread; the work is done beside it.

    Parameters
    ----------
    states
        Gives the states of the B-scans of the open scan that have labels.
    """

    def __init__(self, session: Session, states: Callable[[], Mapping[int, State]]) -> None:
        self._session = session
        self._states = states

    def list_layers(self) -> list[Labels]:
        """List the layers that can be compared; labels and prediction of the open scan first."""
        from napari.layers import Labels

        opened = self._session.opened
        own = [] if opened is None else [opened.labels, opened.prediction]
        found = [layer for layer in self._session.viewer.layers if isinstance(layer, Labels)]
        return [*(one for one in own if one in found), *(one for one in found if one not in own)]

    def compare(
        self,
        first: Labels,
        second: Labels,
        done: Callable[[Compared], None],
        failed: Callable[[str], None],
    ) -> None:
        """Compare two layers; the first is the reference of boundaries."""
        fault = find_fault(first, second)
        if fault:
            failed(fault)
            return
        scan = self._find_scan(first, second)
        pair = self._look(first), self._look(second)
        self._session.compute(partial(compare_layers, *pair, scan), done, failed=failed)

    def export(self, compared: Compared, folder: Path) -> None:
        """Write the tables of the command into a folder."""

        def work() -> list[Path]:
            with explaining(folder, "cannot create this folder", advice="choose another one"):
                folder.mkdir(parents=True, exist_ok=True)
            return write_tables(compared.cohort, folder)

        self._session.compute(work, lambda files: self._on_written(files, folder))

    def _on_written(self, files: list[Path], folder: Path) -> None:
        self._session.notify(f"Wrote {count_noun(len(files), 'file')} into {folder}.")

    def _look(self, layer: Labels) -> LayerValues:
        opened = self._session.opened
        counting: Collection[int] | None = None
        if opened is not None and layer is opened.labels:
            counting = set(self._states())
        elif opened is not None and layer is opened.prediction:
            counting = set(opened.loaded.predicted)
        named = layer.metadata.get(CLASSES)
        classes = None
        if isinstance(named, dict):
            classes = LabelSet.from_names({int(k): str(v) for k, v in named.items()})
        return LayerValues(layer.name, layer.data, classes, counting)

    def _find_scan(self, first: Labels, second: Labels) -> OctScan:
        """The scan of two layers, or as much of it as their place says."""
        opened = self._session.opened
        pixels = np.broadcast_to(np.uint8(0), first.data.shape)
        for layer in (first, second):
            if opened is not None and layer in (opened.labels, opened.prediction):
                return opened.loaded.scan
        for layer in (first, second):
            known = find_grid(layer.data, attributes_of(layer))
            if known is not None:
                return OctScan(pixels=pixels, **known)
        scan = OctScan(pixels=pixels, axes=AXES[first.ndim], source=None)
        spacing = measure_spacing(place_of(first), first.ndim)
        return scan if spacing == scan.spacing_um else scan.with_spacing(spacing)


def compare_layers(first: LayerValues, second: LayerValues, scan: OctScan) -> Compared:
    """Compare what two layers hold.

    Raises
    ------
    InputError
        Where the classes differ, a value has no class, or nothing is labelled in both.
    """
    values = [_read(one) for one in (first, second)]
    if not np.any((values[0] != IGNORE) & (values[1] != IGNORE)):
        raise InputError(
            f"{first.name} and {second.name}: no B-scan has both; accept a prediction, paint, or "
            "segment first"
        )
    classes, others = _name_both(first, second, values)
    # where a layer holds no B-scan, there is nothing that could be of another class
    values[1] = translate(values[1], others, classes, second.name)
    eye = compare_labels(values[0], values[1], classes, scan, name=first.name)
    cohort = Cohort(classes)
    cohort.add(eye)
    return Compared((first.name, second.name), eye, cohort)


def _read(layer: LayerValues) -> NDArray[np.uint8]:
    """Copy the class values; B-scans that do not count are not annotated."""
    if layer.values.size and not 0 <= layer.values.min() <= layer.values.max() <= IGNORE:
        raise InputError(f"{layer.name}: label values go from 0 to {IGNORE}; correct the others")
    values = layer.values.astype(np.uint8)
    if layer.counting is not None:
        planes = values.reshape(-1, *values.shape[-2:])
        planes[[k for k in range(len(planes)) if k not in layer.counting]] = IGNORE
    return values


def _name_both(
    first: LayerValues, second: LayerValues, values: list[NDArray[np.uint8]]
) -> tuple[LabelSet, LabelSet]:
    """The classes of both: those of one are those of the other where only one has names."""
    if first.classes is not None and second.classes is not None:
        check_same(first.classes, second.classes, first.name, second.name)
        return first.classes, second.classes
    named = first.classes or second.classes
    if named is None:
        found = sorted({int(v) for one in values for v in np.unique(one)} - {0, IGNORE})
        named = LabelSet.from_names({0: "background", **{v: f"class {v}" for v in found or [1]}})
    return named, named

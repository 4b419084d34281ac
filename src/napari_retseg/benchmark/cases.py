"""The labelled B-scans of a set, one after the other, from files or from the simulator."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_retseg.benchmark.board import LabelledSet, SimulatedSet
from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.dataset import Case, Dataset, choose_half, load_dataset
from napari_retseg.errors import InputError
from napari_retseg.io import read_labels
from napari_retseg.io.sources import hash_source
from napari_retseg.layers import labels_of_boundaries, layer_order
from napari_retseg.scan import OctScan
from napari_retseg.simulate import LABEL_SETS, draw_volume


@dataclass(frozen=True)
class LabelledBscan:
    """A B-scan with its labels, and those of a second grader where there are any.

    Attributes
    ----------
    reference, second
        Class values ``(depth, width)``; 255: not annotated.
    """

    scan: OctScan
    index: int
    name: str
    group: str
    reference: NDArray[np.uint8]
    second: NDArray[np.uint8] | None = None
    axial_um: float | None = None


def open_labelled(one: LabelledSet, root: Path) -> Dataset:
    """Read the dataset of a set, with the set's patients only.

    Raises
    ------
    InputError
        Where there is none, or it has no such patients.
    """
    dataset = load_dataset(root / one.data)
    known = {case.group for case in dataset.cases}
    unknown = sorted(set(one.groups) - known)
    if unknown:
        raise InputError(f"{dataset.root}: has no patients {', '.join(unknown)}")
    groups = set(one.groups or known)
    if one.half is not None:
        groups &= set(choose_half(known, one.half))
    cases = [case for case in dataset.cases if case.label is not None and case.group in groups]
    if not cases:
        raise InputError(f"{dataset.root}: has no labels to score against")
    return dataset.model_copy(update={"cases": tuple(cases)})


def identify_cases(one: LabelledSet, root: Path) -> str:
    """Hash the content of a set: its scans, their labels, and those of the second grader."""
    made = hashlib.sha256(one.model_dump_json().encode())
    dataset = open_labelled(one, root)
    for case in dataset.cases:
        for path in (case.image, case.label, _find_second(one, root, case)):
            if path is not None:
                made.update(f"{case.group} {path.name} {hash_source(path)}".encode())
    if one.second is not None and one.second.curves is not None:
        made.update(hash_source(root / one.second.curves).encode())
    return made.hexdigest()


def read_bscans(one: LabelledSet, root: Path) -> Iterator[LabelledBscan]:
    """Read the labelled B-scans of a set."""
    dataset = open_labelled(one, root)
    curves = {}
    if one.second is not None and one.second.curves is not None:
        curves = read_curves(root / one.second.curves)
    for case in dataset.cases:
        scan = case.read_scan()
        labels = case.read_labels(dataset.labels, shape=scan.spatial_shape)
        path = _find_second(one, root, case)
        second = None if path is None else read_labels(path, shape=scan.spatial_shape)
        if second is not None and case.label is not None and case.label.stem in curves:
            second = draw_layers(second, curves[case.label.stem], dataset.labels)
        shape = (-1, *scan.spatial_shape[-2:])
        for index, plane in enumerate(labels.reshape(shape)):
            if (plane != IGNORE).any():
                yield LabelledBscan(
                    scan=scan,
                    index=index,
                    name=f"{case.name}:{index}" if scan.is_volume else case.name,
                    group=case.group,
                    reference=plane,
                    second=None if second is None else second.reshape(shape)[index],
                    axial_um=scan.spacing_um[-2] or one.axial_um,
                )


def simulate_bscans(one: SimulatedSet) -> Iterator[LabelledBscan]:
    """Simulate the B-scans of a set, each of an eye of its own."""
    config = one.make_config()
    for eye in range(one.eyes):
        volume = draw_volume(config, one.seed, eye)
        scan, name = volume.scan, f"eye {eye + 1}"
        labels = volume.labels.reshape(-1, *volume.labels.shape[-2:])
        yield LabelledBscan(scan, 0, name, name, labels[0], axial_um=scan.spacing_um[-2])


def find_classes(one: LabelledSet | SimulatedSet, root: Path) -> LabelSet:
    """Find the classes of a set's labels."""
    if isinstance(one, SimulatedSet):
        return LABEL_SETS[one.make_config().label_set]
    return open_labelled(one, root).labels


def _find_second(one: LabelledSet, root: Path, case: Case) -> Path | None:
    if one.second is None or case.label is None:
        return None
    return root / one.second.labels / case.label.name


def read_curves(path: Path) -> dict[str, NDArray[np.float32]]:
    """Read the second grader's boundaries ``(boundary, width)`` of each B-scan, by its name.

    Parameters
    ----------
    path
        NPZ with ``names`` and ``grader2``, rows ``(bscan, boundary, width)``.

    Raises
    ------
    InputError
        Where there are none.
    """
    try:
        with np.load(path, allow_pickle=False) as found:
            return dict(zip(map(str, found["names"]), found["grader2"], strict=True))
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: holds no curves of a second grader ({error})") from error


def draw_layers(
    labels: NDArray[np.uint8], rows: NDArray[np.float32], classes: LabelSet
) -> NDArray[np.uint8]:
    """Draw the layers between a grader's own curves; what else the labels say stays."""
    values = classes.values[layer_order(classes)]
    drawn = labels_of_boundaries(rows, values.tolist(), depth=len(labels))
    return np.where(np.isin(labels, [0, *values]), drawn, labels)

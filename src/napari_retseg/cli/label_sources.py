"""Labels to measure, with their scans: label files, and the scans of workspaces."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from napari_retseg import __version__
from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.cli.export import check_scan, name_label_classes, refuse_scan
from napari_retseg.cli.listing import list_scans
from napari_retseg.cli.measure_records import Made, describe_made, hash_text
from napari_retseg.dataset.description import DESCRIPTION
from napari_retseg.dataset.loading import CLASSES
from napari_retseg.dataset.registry import WORKSPACE
from napari_retseg.errors import InputError, UsageError
from napari_retseg.io import read_labels, read_scan
from napari_retseg.io.inventory import list_read
from napari_retseg.io.suffixes import LABEL_SUFFIXES, stem_of, suffix_of
from napari_retseg.measures import Centre
from napari_retseg.measures.table import describe_models, describe_states
from napari_retseg.models import find_model
from napari_retseg.models.calibrated import find_bundles
from napari_retseg.models.description import FILES
from napari_retseg.models.label_records import Found, Record, Records, hash_labels, hash_scan
from napari_retseg.models.sureness import Sureness, find_sureness, find_unconfirmed
from napari_retseg.records import read_record
from napari_retseg.scan import OctScan
from napari_retseg.workspace import Workspace
from napari_retseg.workspace.layout import LABELS

#: The scan, class values of its shape, and A-scans that are doubtful, where that is known.
Content: TypeAlias = tuple[OctScan, NDArray[np.uint8], NDArray[np.bool_] | None]


@dataclass(frozen=True)
class Labelled:
    """Labels of a scan, before they are measured.

    Attributes
    ----------
    scan
        Where the scan lies.
    classes
        Of the labels.
    made
        What the numbers will be made from.
    read
        Gives scan and labels.
    sureness
        Gives the numbers their intervals.
    said_by
        Models that predicted the labels; empty where a person has changed or confirmed any.
    notes
        What the user should know of the labels.
    """

    scan: Path
    classes: LabelSet
    made: Made
    read: Callable[[], Content]
    sureness: Sureness
    said_by: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()


class Source(Protocol):
    """Labels that can be opened."""

    @property
    def labels(self) -> Path:
        """Where they lie."""
        ...

    @property
    def name(self) -> str:
        """What the folder of their numbers is called."""
        ...

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where labels and scan lie."""
        ...

    def absolute(self) -> Self:
        """Return them with paths that do not depend on the current folder."""
        ...

    def open(self, centre: Centre) -> Labelled:
        """Say what the numbers will be made from."""
        ...


@dataclass(frozen=True)
class Pair:
    """A label file and its scan; without one, the reason.

    Attributes
    ----------
    model
        The folder of the model that names the classes.
    known
        Models that may have predicted the labels, beside those that the user has.
    """

    labels: Path
    scan: Path | None
    model: str | None = None
    reason: str = ""
    known: tuple[Path, ...] = ()

    @property
    def name(self) -> str:
        """The name of the label file."""
        return stem_of(self.labels)

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where labels and scan lie."""
        return tuple(path.parent for path in (self.labels, self.scan) if path is not None)

    def absolute(self) -> Self:
        """Return it with paths that do not depend on the current folder."""
        scan = None if self.scan is None else self.scan.absolute()
        return replace(self, labels=self.labels.absolute(), scan=scan)

    def take_models(self) -> Self:
        """Return it with the models of this computer that predicted the labels."""
        try:
            record = read_record(Records(self.labels.parent).path_of(self.labels), Record)
        except InputError:
            return self
        return replace(self, known=tuple(find_bundles(record.made_from.weights)))

    def list_files(self) -> list[Path]:
        """List what is read: labels and what is known of them, the scan, models."""
        folder = self.labels.parent
        models = [*([] if self.model is None else [Path(self.model)]), *self.known]
        beside = [Records(folder).path_of(self.labels), folder / DESCRIPTION, folder / CLASSES]
        beside += [model / name for model in models for name in FILES]
        scan = [] if self.scan is None else list_read(self.scan)
        there = [path for path in beside if path.is_file()]
        return list(dict.fromkeys([*list_read(self.labels), *there, *scan]))

    def move(self, to: Callable[[Path], Path]) -> Self:
        """Return it with all paths changed."""
        return replace(
            self,
            labels=to(self.labels),
            scan=None if self.scan is None else to(self.scan),
            model=None if self.model is None else str(to(Path(self.model))),
            known=tuple(map(to, self.known)),
        )

    def open(self, centre: Centre) -> Labelled:
        """Say what the numbers will be made from.

        Raises
        ------
        InputError
            Where there is no scan, or the labels are not its own.
        """
        if self.scan is None:
            raise InputError(f"{self.labels}: {self.reason}")
        path = self.scan
        scan = read_scan(path)
        try:
            values = read_labels(self.labels, scan=scan)
        except InputError:
            check_scan(self.labels, path)  # says it better, where it is another scan
            raise
        found = Records(self.labels.parent).look_at(self.labels, values)
        made_from = None if found.record is None else found.record.made_from
        scan_hash = hash_scan(path)
        if made_from is not None and made_from.scan != scan_hash:
            raise refuse_scan(self.labels, path)
        classes, note = name_label_classes(self.labels, values, self.model, found.record)
        weights = () if made_from is None else (made_from.weights,)
        sureness = find_sureness(weights, model=self.model, known=self.known)
        return Labelled(
            path,
            classes,
            describe_made(scan_hash, found, classes, centre, sureness),
            lambda: (scan, values, find_doubtful(found, scan)),
            sureness,
            said_by=found.said_by,
            notes=(note,) if note else (),
        )


def find_sources(labels: Sequence[Path], scan: Path | None, model: str | None) -> list[Source]:
    """Find the labels that are named: label files with their scans, and scans of workspaces.

    Parameters
    ----------
    scan
        Scan or folder of scans of the label files; workspaces know theirs.
    model
        Whose classes the label files have; None: as named beside them.

    Raises
    ------
    UsageError
        Where two would have the same folder, or label files have no scan.
    InputError
        Where a folder has no label files, or a workspace cannot be opened.
    """
    sources: list[Source] = []
    files: list[Path] = []
    for path in labels:
        place = find_workspace(path)
        if place is None:
            files += _list_labels(path)
        else:
            sources += list_workspace(*place)
    if files and scan is None:
        raise UsageError(f"{files[0]}: give the scan or its folder with --scan")
    if files and scan is not None:
        # a worker elsewhere has other models of its own
        folder = None if model is None else str(find_model(model).absolute())
        sources += _find_pairs(files, scan, folder)
    names = [one.name.casefold() for one in sources]
    again = next((s for s, n in zip(sources, names, strict=True) if names.count(n) > 1), None)
    if again is not None:
        raise UsageError(
            f"{again.labels}: another label file has the same name; measure one at a time"
        )
    return sources


def _find_pairs(files: Sequence[Path], scan: Path, model: str | None) -> list[Pair]:
    """Find the scan of each label file."""
    places = [place.path for place in list_scans([scan]).places]
    if len(files) == 1 and len(places) == 1:
        return [Pair(files[0], places[0], model)]
    known = {stem_of(path): path for path in places}
    reason = f"no scan {{}} in {scan}; give the scan or its folder with --scan"
    return [
        Pair(file, known.get(stem_of(file)), model, reason.format(stem_of(file).replace("{", "")))
        for file in files
    ]


def _list_labels(path: Path) -> list[Path]:
    if not path.is_dir():
        return [path]
    files = sorted(
        file
        for file in path.iterdir()
        if suffix_of(file) in LABEL_SUFFIXES and not file.name.startswith(".") and file.is_file()
    )
    if not files:
        raise InputError(f"{path}: contains no label files")
    return files


def find_doubtful(found: Found, scan: OctScan) -> NDArray[np.bool_] | None:
    """Return the doubtful A-scans of a prediction as it was written, ``(bscan, width)``.

    Returns
    -------
    ndarray or None
        None where the labels were changed since, or nothing is known of them.
    """
    if found.state != "ours" or found.record is None:
        return None
    is_doubtful = np.zeros((scan.n_bscans, scan.spatial_shape[-1]), bool)
    for bscan, runs in found.record.doubtful.items():
        if bscan < scan.n_bscans:
            for start, stop in runs:
                is_doubtful[bscan, start:stop] = True
    return is_doubtful


@dataclass(frozen=True)
class WorkspaceScan:
    """A scan of a workspace.

    Confirmed and corrected B-scans have the user's labels, the others the prediction; what has
    neither is not annotated.
    """

    folder: Path
    name: str

    @property
    def labels(self) -> Path:
        """Where its labels lie."""
        return self.folder / LABELS / self.name

    @property
    def folders(self) -> tuple[Path, ...]:
        """The workspace; its scans may lie elsewhere."""
        return (self.folder,)

    def absolute(self) -> Self:
        """Return it with a folder that does not depend on the current one."""
        return replace(self, folder=self.folder.absolute())

    def open(self, centre: Centre) -> Labelled:
        """Read the labels as they are now, and say what the numbers will be made from.

        Raises
        ------
        InputError
            Where the workspace, the scan or its labels cannot be read.
        """
        with Workspace.open(self.folder) as workspace:
            scan = workspace.read_scan(self.name)
            path = next(one.path for one in workspace.scans if one.name == self.name)
            own = workspace.read_labels(self.name)
            states = workspace.states(self.name)
            stored = workspace.read_prediction(self.name)
            classes = workspace.classes
        values = np.full(scan.spatial_shape, IGNORE, np.uint8)
        planes, by_hand = (one.reshape(-1, *one.shape[-2:]) for one in (values, own))
        is_doubtful = np.zeros((len(planes), planes.shape[-1]), bool)
        predicted = set() if stored is None else set(stored.bscans) - set(states)
        if stored is not None:
            said = np.asarray(stored.labels).reshape(planes.shape)
            for bscan in predicted:
                planes[bscan] = said[bscan]
                for start, stop in stored.bscans[bscan].doubtful:
                    is_doubtful[bscan, start:stop] = True
        for bscan in states:
            planes[bscan] = by_hand[bscan]
        said_by = {} if stored is None else {k: one.weights_id for k, one in stored.bscans.items()}
        sureness = find_sureness(*find_unconfirmed(states, said_by))
        made = Made(
            scan=hash_scan(path),
            labels=hash_labels(values),
            labels_state=describe_states(
                [*states.values(), *("predicted" for _ in predicted)], len(planes)
            ),
            model=describe_models(
                [] if stored is None else [stored.bscans[k].weights_id for k in predicted]
            ),
            prediction=hash_text(
                f"{is_doubtful.tobytes().hex()}{scan.spacing_um}{scan.laterality}"
            ),
            classes={one.value: one.name for one in classes.classes},
            centre=centre,
            intervals=sureness.digest,
            program=__version__,
        )
        untouched = frozenset(said_by[bscan] for bscan in predicted)
        return Labelled(
            path,
            classes,
            made,
            lambda: (scan, values, is_doubtful),
            sureness,
            said_by=frozenset() if states else untouched,
        )


def find_workspace(path: Path) -> tuple[Path, str | None] | None:
    """Return the workspace that a path is, or whose labels it holds, and the scan it is of."""
    if (path / WORKSPACE).is_file():
        return path, None
    if path.name == LABELS and (path.parent / WORKSPACE).is_file():
        return path.parent, None
    if path.parent.name == LABELS and (path.parent.parent / WORKSPACE).is_file():
        return path.parent.parent, path.name
    return None


def list_workspace(folder: Path, name: str | None) -> list[WorkspaceScan]:
    """List the scans of a workspace that have labels or predictions.

    Parameters
    ----------
    name
        Of the only scan; None: all.

    Raises
    ------
    InputError
        Where there are none, or it cannot be opened.
    """
    with Workspace.open(folder) as workspace:
        found = [
            one.name
            for one in workspace.scans
            if name in (None, one.name)
            and (workspace.states(one.name) or workspace.predictions(one.name))
        ]
    if not found:
        raise InputError(f"{folder}: no scan with labels or predictions")
    return [WorkspaceScan(folder, one) for one in found]

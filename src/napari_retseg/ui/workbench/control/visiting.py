"""Two visits of the open scan's eye: the other one is read, registered and compared. No Qt."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import numpy as np

from napari_retseg import __version__
from napari_retseg.agreement.pairing import find_named
from napari_retseg.classes import LabelSet
from napari_retseg.errors import InputError
from napari_retseg.io import read_labels, read_scan
from napari_retseg.measures import Centre
from napari_retseg.models.label_records import Records, name_recorded
from napari_retseg.models.sureness import find_repeatability
from napari_retseg.plural import count_noun
from napari_retseg.ui.workbench.control.counting import collect
from napari_retseg.ui.workbench.control.measuring import Measuring
from napari_retseg.ui.workbench.control.open_scan import Loaded, load
from napari_retseg.ui.workbench.control.session import Session
from napari_retseg.ui.workbench.control.visit_pictures import VisitPictures, draw_visits
from napari_retseg.visits import Change, Visit, find_change
from napari_retseg.visits.files import write_visits
from napari_retseg.workspace import State, Workspace


@dataclass(frozen=True)
class OtherVisit:
    """Where another visit lies: a scan of the workspace, or a scan and its labels as files."""

    name: str
    scan: Path | None = None
    labels: Path | None = None


@dataclass(frozen=True, eq=False)
class Visited:
    """What changed between two visits.

    Attributes
    ----------
    names
        Of the first and of the second visit.
    opened
        Name of the scan that was open.
    is_first_open
        Whether that is the first visit.
    notes
        What the user should know, beside those of `change`.
    """

    names: tuple[str, str]
    opened: str
    is_first_open: bool
    change: Change
    notes: tuple[str, ...] = ()

    def replace_change(self, change: Change) -> Visited:
        """Return the same two visits with their changes judged anew."""
        return replace(self, change=change)


class Visiting:
    """Compares the open scan with another visit.

    Methods are called on the GUI's thread; the work is done beside it.

    Parameters
    ----------
    measuring
        Knows the grid, and goes to places of the open scan.
    states
        Gives the states of the B-scans of the open scan that have labels.
    """

    def __init__(
        self, session: Session, measuring: Measuring, states: Callable[[], Mapping[int, State]]
    ) -> None:
        self._session = session
        self._measuring = measuring
        self._states = states

    def list_others(self) -> list[OtherVisit]:
        """List the other scans of the workspace."""
        opened = self._session.opened
        own = None if opened is None else opened.name
        return [OtherVisit(one.name) for one in self._session.state.scans if one.name != own]

    def compare(
        self,
        other: OtherVisit,
        *,
        is_later: bool,
        done: Callable[[Visited], None],
        failed: Callable[[str], None],
    ) -> None:
        """Register the other visit, and find what changed; `failed` gets the reason."""
        opened, workspace = self._session.opened, self._session.workspace
        if opened is None or workspace is None:
            failed("Open a scan first.")
            return
        loaded, states, classes = opened.loaded, dict(self._states()), opened.loaded.classes
        centre = self._find_centre() if is_later else "fovea"
        read = (
            partial(_read_scan_of, workspace, other.name)
            if other.scan is None
            else partial(_read_files, other, classes)
        )

        def work(found: tuple[Visit, tuple[str, ...]]) -> Visited:
            visit, notes = found
            labels, is_doubtful = collect(loaded, states)
            said_by = _find_models(loaded, states)
            own = Visit(loaded.name, loaded.scan, labels, classes, is_doubtful, said_by)
            pair = (own, visit) if is_later else (visit, own)
            change = find_change(*pair, centre=centre, repeatability=find_repeatability(*pair))
            names = (pair[0].name, pair[1].name)
            return Visited(names, loaded.name, is_later, change, notes)

        def go_on(found: tuple[Visit, tuple[str, ...]]) -> None:
            self._session.compute(partial(work, found), done, failed=failed)

        self._session.flush_then(read, go_on, failed=failed)

    def _find_centre(self) -> Centre:
        """Where the grid lies by hand; else on the fovea."""
        live, place = self._measuring.live, self._measuring.centre_mm
        if live is None or live.grid is None or place is None:
            return "fovea"
        return live.grid.numbers_of(place)

    def draw(self, visited: Visited, span: str, done: Callable[[VisitPictures], None]) -> None:
        """Draw the maps of a span of layers."""
        work = partial(draw_visits, visited.change, span, is_first_open=visited.is_first_open)
        self._session.compute(work, done)

    def go_to(self, visited: Visited, x: float, y: float) -> None:
        """Go to a place of the first visit on the scan that is open."""
        if not self.is_open(visited):
            self._session.notify(f"Open {visited.opened} to go to that place.")
            return
        if not visited.is_first_open:
            x, y = visited.change.registration.find(np.array([[x], [y]])).ravel().tolist()
        self._measuring.go_to(x, y)

    def is_open(self, visited: Visited) -> bool:
        """Whether the scan that was open still is."""
        opened = self._session.opened
        return opened is not None and opened.name == visited.opened

    def export(self, visited: Visited, folder: Path) -> None:
        """Write table, report and maps, as the command does."""

        def work() -> int:
            return len(write_visits(visited.change, visited.names, folder, __version__))

        def tell(count: int) -> None:
            self._session.notify(f"Wrote {count_noun(count, 'file')} into {folder}.")

        self._session.compute(work, tell)


def _read_scan_of(workspace: Workspace, name: str) -> tuple[Visit, tuple[str, ...]]:
    """Read another scan of the workspace with the labels that count."""
    loaded = load(workspace, name)
    states = workspace.states(name)
    if not states and not loaded.predicted:
        raise InputError(f"{name}: has no labels; open it and segment it first")
    labels, is_doubtful = collect(loaded, states)
    said_by = _find_models(loaded, states)
    return Visit(name, loaded.scan, labels, loaded.classes, is_doubtful, said_by), ()


def _find_models(loaded: Loaded, states: Mapping[int, State]) -> frozenset[str]:
    """Who predicted the labels of a scan; nobody where a person has changed any."""
    return frozenset() if states else frozenset(loaded.models.values())


def _read_files(other: OtherVisit, classes: LabelSet) -> tuple[Visit, tuple[str, ...]]:
    """Read a scan and its labels; classes without names are those of the workspace."""
    assert other.scan is not None
    assert other.labels is not None
    scan = read_scan(other.scan)
    values = read_labels(other.labels, scan=scan)
    found = Records(other.labels.parent).look_at(other.labels, values)
    named = find_named(other.labels.parent)
    if named is None and (recorded := name_recorded(found.record)) is not None:
        named, _ = recorded
    unknown = classes.unknown_values(values) if named is None else ()
    if unknown:
        raise InputError(
            f"{other.labels}: label values {unknown} have no class; name all classes in a "
            "classes.json beside it"
        )
    note = f"{other.name}: the names of its classes are not known; those of this workspace are used"
    visit = Visit(other.name, scan, values, named or classes, said_by=found.said_by)
    return visit, () if named else (note,)

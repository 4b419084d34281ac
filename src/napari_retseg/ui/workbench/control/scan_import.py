"""Scans come into the workspace, and what the user says about them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from napari_retseg.classes import LabelSet
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import RetsegError
from napari_retseg.io import read_scan
from napari_retseg.io.devices import list_volumes
from napari_retseg.plural import agree, count_noun
from napari_retseg.records import first_problem
from napari_retseg.ui.layers import FUNDUS, is_scan_layer, scan_of_layer
from napari_retseg.ui.workbench.control.correcting import Correcting
from napari_retseg.ui.workbench.control.navigation import Navigation
from napari_retseg.ui.workbench.control.session import Session
from napari_retseg.workspace import ScanEntry, Workspace

if TYPE_CHECKING:
    from napari.layers import Layer


#: Files that could not be added, of which so many are named.
_NAMED = 5


class ScanImport:
    """Adds scans to the workspace, finds those that have moved, and takes down what they are.

    All methods are called on the GUI's thread.
    """

    def __init__(self, session: Session, correcting: Correcting, navigation: Navigation) -> None:
        self._session = session
        self._correcting = correcting
        self._state = session.state
        self._navigation = navigation
        session.viewer.layers.events.inserted.connect(self._on_layer_inserted)

    def close(self) -> None:
        """Follow the viewer no longer."""
        self._session.viewer.layers.events.inserted.disconnect(self._on_layer_inserted)

    def add_files(self, paths: list[Path]) -> None:
        """Add scans from files or folders, and open the first; what cannot be added is named.

        Each volume of a file that holds several is a scan of its own.
        """
        faults: list[str] = []

        def add(workspace: Workspace) -> list[ScanEntry]:
            added = []
            volumes = [volume for path in paths for volume in list_volumes(path)]
            for volume in volumes:
                try:
                    added.append(workspace.add_scan(read_scan(volume)))
                except RetsegError as error:
                    if len(volumes) == 1:
                        raise
                    faults.append(str(error))
            return added

        self._add(add, partial(self._on_added, faults=faults))

    def add_dataset(self, folder: Path) -> None:
        """Add the scans of a dataset, with its labels as confirmed ones."""

        def add(workspace: Workspace, trust: bool) -> list[ScanEntry]:
            dataset = load_dataset(folder, allow_outside=trust or None)
            if not workspace.scans:
                workspace.set_classes(dataset.labels)
            return list(workspace.add_dataset(dataset, with_labels=True))

        workspace = self._session.find_writable()
        if workspace is not None:
            self._session.notify("Adding…")
            self._session.run_trusting(folder, partial(add, workspace), self._on_added)

    def add_layer(self, layer: Layer) -> None:
        """Add an image layer of the viewer, from whatever reader; its scan takes its place."""
        if not is_scan_layer(layer):
            self._session.notify(
                f"{layer.name}: this is not an image layer; choose an image layer.", "error"
            )
            return

        def done(entries: list[ScanEntry]) -> None:
            self._on_added(entries)
            self._put_away(layer)

        self._add(lambda workspace: [workspace.add_scan(scan_of_layer(layer))], done)

    def _put_away(self, layer: Layer) -> None:
        """Let a layer that was added not lie above the scan; one that no file holds is hidden."""
        layers = self._session.viewer.layers
        if layer not in layers:
            return
        if layer.source.path is None:
            layer.visible = False
            return
        fundus = [other for other in layers if other.metadata.get(FUNDUS) == layer.name]
        for other in (layer, *(f for f in fundus if f.source.path == layer.source.path)):
            layers.remove(other)

    def _on_layer_inserted(self, event: Any) -> None:
        """Say what a file that was dropped on the canvas is good for: it hides the open scan."""
        layer = event.value
        is_file = is_scan_layer(layer) and layer.source.path is not None
        if is_file and self._session.opened is not None:
            self._session.notify(
                f"{layer.name} is only a layer above the scan. To add it to the workspace, use "
                "Add > Layer. To add files directly, drop them on this dock."
            )

    def _add(
        self,
        add: Callable[[Workspace], list[ScanEntry]],
        done: Callable[[list[ScanEntry]], None] | None = None,
    ) -> None:
        workspace = self._session.find_writable()
        if workspace is not None:
            self._session.notify("Adding…")
            self._session.submit(partial(add, workspace), done or self._on_added)

    def _on_added(self, entries: list[ScanEntry], *, faults: Sequence[str] = ()) -> None:
        self._session.notify(*_describe_faults(len(entries), faults))
        self._session.written.emit()
        self._navigation.refresh()
        names = [entry.name for entry in self._state.scans]
        if entries:
            self._navigation.choose_scan(names.index(entries[0].name))

    def locate(self, folder: Path) -> None:
        """Find scans that have moved below a folder."""
        workspace = self._session.workspace
        if workspace is None:
            return

        def work() -> int:
            found = workspace.find_moved(folder)
            for name, path in found.items():
                workspace.relocate(name, path)
            return len(found)

        def done(count: int) -> None:
            self._session.written.emit()
            self._navigation.refresh()
            left = len(workspace.missing)
            rest = f"; {left} still missing" if left else ""
            self._session.notify(
                f"Found {count_noun(count, 'scan')}{rest}.", "warning" if left else "info"
            )
            if self._state.scan < 0 and count:
                self._navigation.choose_scan(0)

        self._session.submit(work, done)

    def describe(self, **what: Any) -> None:
        """Keep what the user says of the open scan: ``spacing_um``, ``laterality``, ``group``."""
        workspace, entry = self._session.workspace, self._state.open_scan
        if workspace is None or entry is None:
            return

        def done(_entry: ScanEntry) -> None:
            self._session.written.emit()
            self._navigation.refresh()
            self._navigation.describe_anew()

        self._session.submit(partial(workspace.describe_scan, entry.name, **what), done)

    def set_classes(self, names: Sequence[str]) -> None:
        """Choose the foreground classes; where something is labelled, only new ones may come."""
        workspace = self._session.workspace
        if workspace is None:
            return
        present = workspace.classes
        known = [c.name for c in present.foreground]
        are_kept = list(names[: len(known)]) == known
        try:
            new = names[len(known) :]
            classes = present.extended(new) if are_kept else LabelSet.from_names(names)
        except ValidationError as error:
            self._session.notify(f"Cannot use these classes: {first_problem(error)}", "error")
            return
        if classes == present:
            return

        def work() -> int:
            workspace.set_classes(classes)
            states = [state for e in workspace.scans for state in workspace.states(e.name).values()]
            return states.count("confirmed")

        def done(confirmed: int) -> None:
            self._session.written.emit()
            self._navigation.describe_anew()
            self._session.notify(
                _describe_older(new, confirmed), "warning" if confirmed else "info"
            )

        self._correcting.flush_then(work, done)


def _describe_faults(added: int, faults: Sequence[str]) -> tuple[str, str]:
    """Say which of several files could not be added, and why; with the level."""
    if not faults:
        return "", "info"
    named = "\n".join(faults[:_NAMED])
    rest = f"\nand {len(faults) - _NAMED} more." if len(faults) > _NAMED else ""
    return f"Added {added} of {added + len(faults)}. Not added:\n{named}{rest}", "warning"


def _describe_older(new: Sequence[str], confirmed: int) -> str:
    """Say what confirmed B-scans are worth for classes that they were labelled without."""
    if not confirmed:
        return ""
    return (
        f"{count_noun(confirmed, 'confirmed B-scan')} {agree(confirmed, 'was', 'were')} labelled "
        f"without {' and '.join(new)}. Check {agree(confirmed, 'it', 'them')} again: training and "
        "scores assume that these classes are not there."
    )

"""What the workbench shows: one evented value for each thing, and no Qt."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

from psygnal import SignalGroupDescriptor

from napari_retseg.ui.dock_state import PredictState

if TYPE_CHECKING:
    from napari_retseg.classes import LabelSet
    from napari_retseg.dataset import Side
    from napari_retseg.rounds import Verdict
    from napari_retseg.workspace import ScanEntry, StripCell


@dataclass
class BenchState(PredictState):
    """The workbench's state.

    Attributes
    ----------
    folder, is_read_only
        The workspace; None while none is open.
    recent
        Workspaces that were open before, the last one first.
    scans
        Those of the workspace; the chosen one is open.
    strip
        The state of each B-scan of the open scan.
    classes
        Of the open scan; None: none is open.
    picked, hidden
        The class value that is painted with (-1: none), and those that are not shown.
    shows_curves
        Whether the boundaries of the B-scan in view are shown, to be edited.
    takes_pockets
        Whether clicks make pockets of fluid.
    mode, brush
        What the mouse does on the labels, as napari names it (empty: no scan is open), and the
        diameter of the brush in pixels.
    next_text
        Why the B-scan in view was chosen as the next one to label.
    has_device_layers
        Whether the open scan's file holds boundaries that the device has found.
    unsaved
        B-scans whose last strokes are not on disk yet.
    round_text, round_problem
        What Retrain would do, in words; what is missing before it can.
    round_warning
        Why the result of a training could hardly be judged; empty where all is well.
    sides
        How the next training uses each patient.
    is_training, is_stopping
        Whether a training runs, and has been asked to stop.
    progress
        Counts up with each event of the training: curves are to be drawn again.
    resumable
        The run that stopped before its end; None: there is none.
    verdict, judged
        What came out of the last training, and its run, until it is kept or not.
    device
        Where models run, in words, as a worker has said; empty: not known yet.
    address
        Of the dask scheduler that runs the jobs; empty: processes of this computer.
    """

    folder: Path | None = None
    is_read_only: bool = False
    recent: tuple[Path, ...] = ()
    scans: tuple[ScanEntry, ...] = ()
    strip: tuple[StripCell, ...] = ()
    classes: LabelSet | None = None
    picked: int = -1
    hidden: frozenset[int] = frozenset()
    shows_curves: bool = False
    takes_pockets: bool = False
    mode: str = ""
    brush: int = 8
    next_text: str = ""
    has_device_layers: bool = False
    unsaved: int = 0
    round_text: str = ""
    round_problem: str = ""
    round_warning: str = ""
    sides: tuple[Side, ...] = ()
    is_training: bool = False
    is_stopping: bool = False
    progress: int = 0
    resumable: Path | None = None
    verdict: Verdict | None = None
    judged: Path | None = None
    device: str = ""
    address: str = ""
    events: ClassVar[SignalGroupDescriptor] = SignalGroupDescriptor()

    @property
    def open_scan(self) -> ScanEntry | None:
        """The open scan."""
        return self.scans[self.scan] if 0 <= self.scan < len(self.scans) else None

    @property
    def can_edit(self) -> bool:
        """Whether labels of the open scan can be changed."""
        return self.n_bscans > 0 and not self.is_read_only

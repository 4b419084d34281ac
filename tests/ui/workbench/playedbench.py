"""A workbench with napari's viewer model (no Qt), real files and an engine that the test plays."""

from __future__ import annotations

import queue
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import numpy as np
from napari.components import ViewerModel
from numpy.typing import NDArray

from napari_retseg.engine import Engine
from napari_retseg.events import BscanPredicted, BscanUncertainty, Progress
from napari_retseg.ui.scores.scoring import Scoring
from napari_retseg.ui.workbench.control.controller import Workbench
from napari_retseg.ui.workbench.control.open_scan import OpenScan
from napari_retseg.workspace import Workspace
from tests.ui.playing import PlayedEngine, PlayedJob


class PlayedBench:
    """A viewer model and a workbench in it."""

    def __init__(self) -> None:
        self.viewer = ViewerModel()
        self.engine = PlayedEngine()
        self._posted: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        #: The time that the work is measured by.
        self.seconds = 0.0
        self.bench = Workbench(
            cast("Any", self.viewer),
            engine=cast("Engine", self.engine),
            post=self._posted.put,
            now=lambda: self.seconds,
        )
        self.state = self.bench.state
        #: Checked as their docks do.
        self.scorings: list[Scoring] = []
        self.bench.predicting.choose_by_name("tiny")

    def settle(self) -> None:
        """Do what is left to do with files, and what was posted meanwhile, as the GUI would."""
        self.bench.correcting.check()
        for scoring in self.scorings:
            scoring.check()
        self.take_posts()

    def take_posts(self) -> None:
        """Wait for the files, and do what was posted meanwhile."""
        while True:
            self.bench.session.wait_for_files()
            try:
                function = self._posted.get(timeout=0.02)
            except queue.Empty:
                return
            function()

    def start(self, folder: Path, *scans: Path) -> None:
        """Make a workspace with scans, and open the first."""
        self.bench.create(folder)
        self.settle()
        self.bench.scan_import.add_files(list(scans))
        self.settle()

    @property
    def workspace(self) -> Workspace:
        workspace = self.bench.session.workspace
        assert workspace is not None
        return workspace

    @property
    def opened(self) -> OpenScan:
        opened = self.bench.session.opened
        assert opened is not None
        return opened

    @property
    def labels(self) -> NDArray[np.uint8]:
        return np.asarray(self.opened.loaded.labels)

    @property
    def job(self) -> PlayedJob:
        return self.engine.jobs[-1]

    def predict(self, value: int, *, bscans: int = 5, uncertainty: float | None = 0.5) -> None:
        """Segment the volume: the engine answers with a band of one class value."""
        self.bench.predicting.segment_volume()
        for index in range(bscans):
            self.send(index, value, uncertainty=uncertainty)
            self.job.on_event(Progress(index + 1, bscans))
        self.job.end()
        self.settle()

    def send(self, index: int, value: int, *, uncertainty: float | None = 0.5) -> None:
        """Answer for one B-scan of the prediction that runs."""
        labels = np.zeros((64, 96), np.uint8)
        labels[20:40] = value
        found = None
        if uncertainty is not None:
            entropy = np.full((64, 96), 99, np.uint8)
            found = BscanUncertainty(uncertainty + index / 100, entropy, (0.1, float(index)))
        self.job.on_event(BscanPredicted(index, labels, found))

    def paint(self, bscan: int, rows: slice, value: int) -> None:
        """Paint a band of a B-scan as a stroke does: through the layer."""
        self.bench.navigation.go_to(bscan)
        places = np.indices((64, 96))[:, rows].reshape(2, -1)
        first = np.full(places.shape[1], bscan)
        self.opened.labels.data_setitem((first, *places), value)

    def show(self, bscan: int) -> None:
        self.bench.navigation.go_to(bscan)

    def written(self, bscan: int) -> NDArray[np.uint8]:
        """Read the labels of a B-scan from disk, once all strokes are there."""
        self.settle()
        saver = self.bench.session.saver
        assert saver is not None
        assert saver.flush(10)
        found: NDArray[np.uint8] = self.workspace.read_labels(self.opened.name)[bscan]
        return found

    def close(self) -> None:
        self.bench.close()

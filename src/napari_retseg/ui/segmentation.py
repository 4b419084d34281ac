"""One segmentation, from the press on a button to its report. Knows no Qt."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from napari_retseg.engine import JobHandle, JobOutcome
from napari_retseg.errors import ModelError
from napari_retseg.events import Progress
from napari_retseg.plural import agree, count_noun
from napari_retseg.scan import OctScan
from napari_retseg.ui.dockstate import ModelChoice, Work
from napari_retseg.ui.prediction import Prediction

if TYPE_CHECKING:
    from napari.layers import Image, Labels


@dataclass(eq=False)
class Run:
    """One press on a Segment button.

    Parameters
    ----------
    source
        The layer that is segmented.
    bscans
        Which B-scans of it, in the order in which the job counts them.
    prediction, layer
        Where the labels go; the layer is None until the first ones have come.
    kept
        How many B-scans were left alone because the user had painted there meanwhile.
    """

    source: Image
    scan: OctScan
    choice: ModelChoice
    bscans: Sequence[int]
    prediction: Prediction
    layer: Labels | None
    handle: JobHandle | None = None
    began: float = 0.0
    first_done: float | None = None
    kept: int = 0


def check_channels(scan: OctScan, choice: ModelChoice, *, name: str) -> None:
    """Raise a ModelError where a scan's channels do not fit a model."""
    expected = choice.info.network.in_channels
    if scan.n_channels != expected:
        raise ModelError(
            f"{name}: has {count_noun(scan.n_channels, 'channel')}, but model {choice.name} "
            f"needs {expected}; choose another model"
        )


def take_bscans(scan: OctScan, bscans: Sequence[int]) -> OctScan:
    """Return the scan, or where only one B-scan is asked for, that one: less to send."""
    if len(bscans) != 1 or not scan.is_volume:
        return scan
    index = bscans[0]
    has_channels = scan.axes[0] == "channel"
    return replace(
        scan,
        pixels=scan.pixels[:, index] if has_channels else scan.pixels[index],
        axes=(*scan.axes[: int(has_channels)], *scan.axes[-2:]),
        spacing_um=scan.spacing_um[-2:],
        fundus=None,
        affine=None,
    )


def estimate(run: Run, progress: Progress) -> Work:
    """Guess the time left from the B-scans after the first, which waits for the model."""
    now = time.monotonic()
    if run.first_done is None:
        run.first_done = now
    seconds_left = None
    if progress.done > 1:
        each = (now - run.first_done) / (progress.done - 1)
        seconds_left = each * (progress.total - progress.done)
    return Work(progress.done, progress.total, seconds_left)


def report(run: Run, outcome: JobOutcome, done: int) -> str:
    """Say in a sentence what was done."""
    if outcome.status == "cancelled":
        return (
            f"Stopped after {done} of {count_noun(len(run.bscans), 'B-scan')}. Finished B-scans "
            "are kept."
        )
    seconds = time.monotonic() - run.began
    what = "this B-scan" if len(run.bscans) == 1 else count_noun(done, "B-scan")
    text = f"Segmented {what} in {seconds:.1f} s."
    if run.kept:
        text += (
            f" {count_noun(run.kept, 'B-scan')} that you painted on meanwhile "
            f"{agree(run.kept, 'was', 'were')} not changed."
        )
    return text

"""Labels of one scan measured into a folder: a job, done here or by a worker."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

from napari_retseg import __version__
from napari_retseg.cli.group import describe_failed_input, name_input
from napari_retseg.cli.label_sources import Labelled, Pair, Source
from napari_retseg.cli.measure_records import (
    ABOUT,
    NUMBERS,
    About,
    Numbers,
    find_measured,
    forget_measured,
    keep_measured,
    list_numbers,
)
from napari_retseg.cli.outputs import make_folder
from napari_retseg.engine.jobs import JobOutcome, Lane
from napari_retseg.engine.sight import check_seen
from napari_retseg.events import Cancel, Event, Finished
from napari_retseg.io.atomic import write_bytes, write_text
from napari_retseg.measures import Centre, Measurement, measure_labels
from napari_retseg.measures.pictures import write_maps
from napari_retseg.measures.sheet import Origin, make_sheet
from napari_retseg.scratch import scratch_folder

#: The page to read and print, in the folder of a scan.
REPORT = "report.html"


@dataclass(frozen=True)
class Measured:
    """What came of a scan.

    Attributes
    ----------
    scan
        Where it lies.
    is_known
        Whether it was measured from the same before, and left alone now.
    """

    scan: str
    about: About
    numbers: tuple[Measurement, ...]
    is_known: bool

    def to_result(self) -> dict[str, Any]:
        """Return it as plain values, which travel between processes."""
        return {
            "scan": self.scan,
            "about": self.about.model_dump(mode="json"),
            "numbers": list_numbers(self.numbers),
            "is_known": self.is_known,
        }

    @classmethod
    def from_result(cls, result: dict[str, Any]) -> Measured:
        """Return what a job of this kind has said."""
        about = About.model_validate(result["about"])
        numbers = Numbers.model_validate({"numbers": result["numbers"]}).list()
        return cls(result["scan"], about, numbers, result["is_known"])


@dataclass(frozen=True)
class MeasureJob:
    """Measure the labels of a scan, and write the files of its folder.

    Attributes
    ----------
    source
        The labels.
    output
        Where the folder of the scan lies.
    centre
        Of the ETDRS grid.
    resume
        Leave a scan alone that was measured from the same scan, labels and options.
    needs
        What a worker must see before it begins.
    """

    source: Source
    output: Path
    centre: Centre
    resume: bool = False
    needs: tuple[Path, ...] = ()
    lane: ClassVar[Lane] = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:
        """Yield only that it has finished: with what was measured, or why that failed."""
        check_seen(self.needs)
        try:
            found = self._measure(cancel)
        except Exception as error:  # noqa: BLE001 - said as the outcome of this scan
            line = name_input(self.source.labels, describe_failed_input(error))
            yield Finished(result={"error": line})
            return
        yield Finished(cancelled=found is None, result={} if found is None else found.to_result())

    def look(self) -> MeasureJob | JobOutcome:
        """Say whether there is anything to measure, before it is sent."""
        if not self.resume or not (self.output / self.source.name / ABOUT).is_file():
            return self
        try:
            found = self._find(self.source.open(self.centre))
        except Exception as error:  # noqa: BLE001 - said as the outcome of this scan
            line = name_input(self.source.labels, describe_failed_input(error))
            return JobOutcome("done", result={"error": line})
        return self if found is None else JobOutcome("done", result=found.to_result())

    @property
    def bundle(self) -> None:
        """It computes with no model."""

    @property
    def written(self) -> Path:
        """The folder of the numbers."""
        return self.output

    def list_files(self) -> list[Path]:
        """List labels, scan and models."""
        return self.source.list_files() if isinstance(self.source, Pair) else []

    def move(self, to: Callable[[Path], Path]) -> MeasureJob:
        """Return it with all paths changed."""
        source = self.source.move(to) if isinstance(self.source, Pair) else self.source
        return replace(self, source=source, output=to(self.output))

    def receive(
        self,
        files: Mapping[str, bytes],
        result: Mapping[str, Any],  # noqa: ARG002 - as other jobs
    ) -> None:
        """Write what a worker made elsewhere; until the last is there, none of it counts."""
        if files:
            forget_measured(self.output / self.source.name)
        for name in sorted(files, key=lambda name: name == f"{self.source.name}/{ABOUT}"):
            write_bytes(self.output / name, files[name])

    def _measure(self, cancel: Cancel) -> Measured | None:
        """Measure the scan where it is not measured yet; None where it was asked to stop."""
        labelled = self.source.open(self.centre)
        folder = self.output / self.source.name
        known = self._find(labelled)
        if known is not None:
            return known
        with TemporaryDirectory(dir=scratch_folder()) as scratch:
            found = self._make_files(labelled, Path(scratch), cancel)
            if found is None or cancel.is_cancelled():
                return None
            _put_in_place(found, Path(scratch), folder)
        return found

    def _find(self, labelled: Labelled) -> Measured | None:
        """Find what was measured from the same; None where it is to be measured."""
        folder = self.output / self.source.name
        known = find_measured(folder, labelled.made) if self.resume else None
        return None if known is None else Measured(str(labelled.scan), *known, is_known=True)

    def _make_files(self, labelled: Labelled, place: Path, cancel: Cancel) -> Measured | None:
        """Write the files of a scan to a place where they disturb nobody."""
        scan, values, is_doubtful = labelled.read()
        if cancel.is_cancelled():
            return None
        made, classes = labelled.made, labelled.classes
        measures = measure_labels(
            values, classes, scan, centre=self.centre, is_doubtful=is_doubtful
        )
        measures = replace(measures, notes=(*labelled.notes, *measures.notes))
        measures = labelled.sureness.widen(measures, scan)
        if cancel.is_cancelled():
            return None
        maps = write_maps(measures, place)
        if cancel.is_cancelled():
            return None
        name = self.source.name
        origin = Origin(name, made.labels_state, made.model, __version__)
        write_text(place / REPORT, make_sheet(measures, values, classes, scan, origin))
        files = (REPORT, NUMBERS, *(file.name for file in maps))
        about = About(made_from=made, eye=measures.eye, notes=measures.notes, files=files)
        return Measured(str(labelled.scan), about, measures.numbers, is_known=False)


def _put_in_place(found: Measured, place: Path, folder: Path) -> None:
    """Put all files into the folder of a scan; until the last is there, none of them counts."""
    make_folder(folder)
    forget_measured(folder)
    for name in found.about.files:
        if name != NUMBERS:
            write_bytes(folder / name, (place / name).read_bytes())
    keep_measured(folder, found.about, found.numbers)

"""An anonymised copy of one scan: a job, done here or by a worker."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from napari_retseg.anonymise import Format, anonymise_scan
from napari_retseg.cli.group import describe_failed_input, name_input
from napari_retseg.engine.jobs import Lane
from napari_retseg.events import Cancel, Event, Finished
from napari_retseg.io import read_scan
from napari_retseg.workspace.adding import guess_group


@dataclass(frozen=True)
class AnonymiseJob:
    """Write the anonymised copy of a scan into a folder."""

    path: Path
    output: Path
    kind: Format
    lane: ClassVar[Lane] = "predict"

    def run(self, cancel: Cancel) -> Iterator[Event]:  # noqa: ARG002 - too short to be stopped
        """Yield only that it has finished: with where the copy is, or why there is none."""
        try:
            scan = read_scan(self.path)
            patient = guess_group(self.path.name)
            made = anonymise_scan(scan, self.output, patient=patient, kind=self.kind)
        except Exception as error:  # noqa: BLE001 - one scan's failure is not the others'
            line = name_input(self.path, describe_failed_input(error))
            yield Finished(result={"error": line})
            return
        yield Finished(result={"copy": str(made.scan), "new": made.is_new})

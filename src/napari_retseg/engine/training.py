"""A training on a worker that does not see the folders of the machine that sends it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import yaml

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import Dataset, load_dataset
from napari_retseg.dataset.description import DESCRIPTION
from napari_retseg.dataset.loading import CLASSES
from napari_retseg.engine.jobs import Lane
from napari_retseg.engine.outbox import open_outbox
from napari_retseg.engine.parcel import make_absolute
from napari_retseg.events import (
    Cancel,
    CheckpointSaved,
    Event,
    Finished,
    Message,
    TrainingPlanned,
)
from napari_retseg.io.atomic import write_text
from napari_retseg.io.inventory import list_read
from napari_retseg.models.description import FILES
from napari_retseg.runs.paths import RunPaths
from napari_retseg.runs.record import read_config


@dataclass(frozen=True)
class SentTrainJob:
    """Train where dataset, starting model and the run so far are sent to, and offer what comes.

    Parameters
    ----------
    dataset
        With its paths; its files are sent, not its description.
    output
        Where the run's folder lies; absolute.
    called
        What the user calls it.
    token
        By which the run's files are fetched.
    older
        The rehearsal dataset; absolute.
    names
        Texts and what they stand for, in this order, on the worker.
    """

    dataset: Dataset
    config: TrainConfig
    output: Path
    called: str
    token: str
    start: Path | None = None
    older: Path | None = None
    resume: bool = False
    names: tuple[tuple[str, str], ...] = ()
    lane: ClassVar[Lane] = "train"
    bundle: ClassVar[None] = None
    written: ClassVar[None] = None

    def list_files(self) -> Iterable[Path]:
        """List the files of the scans, the labels, the starting model, and the run so far."""
        files = _list_dataset(self.dataset)
        if self.older is not None:
            older = load_dataset(self.older)
            beside = (self.older, older.root / DESCRIPTION, older.root / CLASSES)
            files += [*_list_dataset(older), *(one for one in beside if one.is_file())]
        if self.start is not None:
            files += [self.start / name for name in FILES if (self.start / name).is_file()]
        if self.resume:
            files += [one for one in RunPaths(self.output).list_files() if one.is_file()]
        return list(dict.fromkeys(map(make_absolute, files)))

    def move(self, to: Callable[[Path], Path]) -> SentTrainJob:
        """Return it with all paths changed."""
        config, names = self.config, [(str(to(self.output)), self.called)]
        if self.older is not None:
            older = str(to(self.older))
            names.append((older, config.rehearse))
            config = config.model_copy(update={"rehearse": older})
        names.append((str(to(Path(self.output.anchor))), ""))
        cases = tuple(
            case.model_copy(
                update={
                    "image": to(case.image),
                    "label": None if case.label is None else to(case.label),
                }
            )
            for case in self.dataset.cases
        )
        moved = self.dataset.model_copy(update={"root": to(self.dataset.root), "cases": cases})
        return replace(
            self,
            dataset=moved,
            config=config,
            output=to(self.output),
            start=None if self.start is None else to(self.start),
            names=tuple(names),
        )

    def receive(self, files: Mapping[str, bytes], result: Mapping[str, Any]) -> None:
        """Do nothing: the files come back while it runs."""

    def run(self, cancel: Cancel) -> Iterator[Event]:
        """Yield the events of :func:`napari_retseg.learn.train.fine_tune`."""
        from napari_retseg.learn.train import fine_tune

        self.dataset.root.mkdir(parents=True, exist_ok=True)
        run = RunPaths(self.output)
        if self.resume and self.older is not None:
            self._find_rehearsal(run)
        outbox = open_outbox(self.token, self.output, self._rename_data)
        has_finished = False
        try:
            for event in fine_tune(
                self.dataset,
                self.config,
                cancel,
                output=self.output,
                start=self.start,
                resume=self.resume,
            ):
                if isinstance(event, TrainingPlanned | CheckpointSaved):
                    outbox.offer(run.list_files())
                if isinstance(event, Finished):
                    has_finished = True
                    outbox.offer(run.list_files(), is_last=True)
                yield self._rename_event(event)
        finally:
            if not has_finished:  # what was saved last is whole all the same
                outbox.offer(run.list_files(), is_last=True)

    def _find_rehearsal(self, run: RunPaths) -> None:
        """Let the run's options name the rehearsal dataset where it lies here."""
        kept = read_config(run.path)
        here, there = self.names[1]
        if kept.rehearse == there:
            values = kept.model_dump(mode="json") | {"rehearse": here}
            write_text(run.config, yaml.safe_dump(values, sort_keys=False))

    def _rename_event(self, event: Event) -> Event:
        if isinstance(event, CheckpointSaved):
            return replace(event, path=self._rename(event.path))
        if isinstance(event, Message):
            return replace(event, text=self._rename(event.text))
        if isinstance(event, Finished):
            paths = {k: self._rename(v) for k, v in event.result.items() if isinstance(v, str)}
            return replace(event, result={**event.result, **paths})
        return event

    def _rename(self, text: str) -> str:
        for here, there in self.names:
            text = text.replace(here, there)
        return text

    def _rename_data(self, data: bytes) -> bytes:
        """Name the client's files in a file of text, as they are or as JSON has them."""
        for here, there in self.names:
            data = data.replace(json.dumps(here)[1:-1].encode(), json.dumps(there)[1:-1].encode())
            data = data.replace(here.encode(), there.encode())
        return data


def _list_dataset(dataset: Dataset) -> list[Path]:
    """List the files of a dataset's scans and labels."""
    files: list[Path] = []
    for case in dataset.cases:
        files += list_read(case.image)
        if case.label is not None:
            label = case.label
            files += sorted(p for p in label.rglob("*") if p.is_file()) if label.is_dir() else []
            files += [] if label.is_dir() else list_read(label)
    return files

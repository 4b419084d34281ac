"""The folder of one training: configuration, events, metrics, checkpoints, model.

Whatever moment the program dies at, the folder can be read and resumed: each file is
replaced atomically, and the two that grow (events, metrics) are cut back to the
checkpoint on resuming.
"""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any, TextIO

import yaml
from filelock import FileLock, Timeout

from napari_retseg.anchor import Anchor
from napari_retseg.config import TrainConfig
from napari_retseg.errors import InputError, NotThereError, UsageError
from napari_retseg.events import Event, Scored, StepDone, encode
from napari_retseg.io.atomic import remove_leftovers, write_json, write_text
from napari_retseg.io.lock import LOCK, check_lock
from napari_retseg.models import ModelInfo
from napari_retseg.plaintext import make_cell
from napari_retseg.runs.eventlog import LogLine, read_log
from napari_retseg.runs.paths import RunPaths
from napari_retseg.runs.record import read_config

#: What may differ between a run and its resumption: where it runs, not what it computes.
_FREE_FIELDS = {"device", "devices", "precision", "checkpoint_seconds"}


class RunFolder(RunPaths):
    """One training's folder, locked while it is open.

    Use as a context manager.

    Parameters
    ----------
    path
        Made if missing.
    config
        What the training does.
    info
        The model to be, without scores; kept in ``run.json`` so that resuming needs
        neither the starting model nor its options.

    Raises
    ------
    UsageError
        Where the folder holds another run, is in use, or does not fit the configuration.
    """

    def __init__(self, path: Path, config: TrainConfig, info: ModelInfo, *, resume: bool) -> None:
        super().__init__(path)
        self._config = config
        self._info = info
        self._resume = resume
        self._lock = FileLock(path / LOCK, timeout=0)
        self._anchor: Anchor | None = None
        self._event_stream: TextIO | None = None
        self._metric_stream: TextIO | None = None

    def __enter__(self) -> RunFolder:
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            check_lock(self.path / LOCK)
            self._lock.acquire()
        except Timeout as error:
            raise UsageError(f"{self.path}: another training is writing to this folder") from error
        except OSError as error:
            raise self._refusal(error) from error
        try:
            self._hold()
            self._check()
        except BaseException:
            self._release()
            raise
        return self

    def _hold(self) -> None:
        """From now on the folder is never made again, and nothing leads out of it."""
        self._anchor = Anchor(self.path.absolute())
        self._anchor.hold()
        try:
            self._anchor.make_folder(self.checkpoint.parent.absolute())
        except OSError as error:
            raise self._refusal(error) from error

    def _refusal(self, error: OSError) -> InputError:
        where = error.filename or self.path
        return InputError(f"{where}: cannot be written ({error.strerror}); choose another folder")

    def __exit__(self, *raised: object) -> None:
        for stream in (self._event_stream, self._metric_stream):
            if stream is not None:
                stream.close()
        self._release()

    def _release(self) -> None:
        if self._anchor is not None:
            self._anchor.release()
        self._lock.release()

    def keep_info(self, info: ModelInfo) -> None:
        """Keep what has been learnt about the input since the run was opened."""
        if info != self._info:
            self._info = info
            write_json(self.description, info.model_dump(mode="json"))

    def start_log(self, iteration: int, *, scored_until: int) -> None:
        """Open the growing files; what is not in the state that was restored is taken out.

        Parameters
        ----------
        iteration
            Steps and checkpoints after it are.
        scored_until
            Scores after it are; -1: all.
        """
        remove_leftovers(self.path)
        kept = [
            line.values
            for line in self._read_events()
            if line.values is not None and _is_kept(line, iteration, scored_until)
        ]
        write_text(self.events, "".join(json.dumps(line) + "\n" for line in kept))
        write_text(self.metrics, _metrics_text(kept))
        self._event_stream = self.events.open("a", encoding="utf-8")
        self._metric_stream = self.metrics.open("a", encoding="utf-8", newline="")

    def log(self, event: Event) -> None:
        """Append an event to the files."""
        if self._event_stream is None or self._metric_stream is None:
            raise RuntimeError("start_log comes first")
        if self._anchor is not None:
            self._anchor.check()
        line = encode(event)
        try:
            self._event_stream.write(json.dumps(line) + "\n")
            if isinstance(event, StepDone | Scored):
                self._metric_stream.write(_metrics_row(line))
            self._event_stream.flush()
            self._metric_stream.flush()
        except OSError as error:
            raise InputError(
                f"{self.events}: cannot be written ({error.strerror}); free some disk space, "
                "then use --resume"
            ) from error

    def _check(self) -> None:
        """Begin a run, or make sure that the one to resume fits; it exists once it has a state."""
        exists = self.has_checkpoint
        if self._resume and not exists:
            raise UsageError(f"{self.path}: found no run to resume; start one without --resume")
        if self._resume:
            self._check_options()
            return
        if exists:
            raise UsageError(
                f"{self.path}: this folder already contains a run; use --resume to continue it, "
                "or choose another folder"
            )
        write_json(self.description, self._info.model_dump(mode="json"))
        text = yaml.safe_dump(self._config.model_dump(mode="json"), sort_keys=False)
        write_text(self.config, text)

    def _check_options(self) -> None:
        before, now = read_config(self.path).model_dump(), self._config.model_dump()
        changed = [n for n in now if before[n] != now[n] and n not in _FREE_FIELDS]
        if changed:
            options = ", ".join(f"{n} ({before[n]}, now {now[n]})" for n in changed)
            raise UsageError(
                f"{self.path}: a resumed run must keep its options; changed: {options}"
            )

    def _read_events(self) -> list[LogLine]:
        try:
            return read_log(self.path)
        except NotThereError:
            return []


def _is_kept(line: LogLine, iteration: int, scored_until: int) -> bool:
    """Whether what a line tells is in the state that is gone on with."""
    if line.event is None:
        return False  # of a later version: nobody knows what it belongs to
    last = scored_until if isinstance(line.event, Scored) else iteration
    return bool(getattr(line.event, "iteration", -1) <= last)


_COLUMNS = ("iteration", "loss", "learning_rate", "mean_foreground_dice", "mean_foreground_iou")


def _metrics_text(lines: list[dict[str, Any]]) -> str:
    rows = [_metrics_row(line) for line in lines if line["event"] in ("StepDone", "Scored")]
    return ",".join(_COLUMNS) + "\n" + "".join(rows)


def _metrics_row(line: dict[str, Any]) -> str:
    values = {**line, **line.get("scores", {})}
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow([make_cell(values.get(n)) for n in _COLUMNS])
    return text.getvalue()

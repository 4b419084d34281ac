"""Whether the new model is better, in words and numbers; and which one is kept."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from napari_retseg.classes import LabelSet
from napari_retseg.errors import ModelError, NotThereError
from napari_retseg.events import Finished
from napari_retseg.layers import list_missing_classes
from napari_retseg.learn.gate import is_reference_of
from napari_retseg.models import (
    DESCRIPTION,
    Change,
    ModelInfo,
    TrainedOn,
    add_model,
    list_versions,
    read_info,
    remove_model,
    roll_back,
)
from napari_retseg.models.wording import warn_of_split
from napari_retseg.plural import agree, count_noun
from napari_retseg.rounds.curves import read_score
from napari_retseg.rounds.describe import FEW
from napari_retseg.rounds.outcomes import (
    remark_on_elsewhere,
    remark_on_rehearsed,
    remark_on_unlabelled,
    sign,
)
from napari_retseg.runs.eventlog import read_events
from napari_retseg.runs.paths import RunPaths

Level = Literal["better", "same", "worse", "unknown"]

#: Classes whose change is named in the sentence, and the least change that is.
_NAMED = 3
_LEAST = 0.005
_ONE_ONLY = "in one held-out B-scan only"
_ABSENT = "not in the held-out labels"


@dataclass(frozen=True, slots=True)
class VerdictRow:
    """The scores of one class, or of the foreground's mean, before and after.

    Attributes
    ----------
    dice, iou, dice_before, iou_before
        None where there is no value: a dash.
    bscans
        Number of held-out B-scans that hold the class.
    remark
        What to know about the class; mostly empty.
    """

    name: str
    dice: float | None
    iou: float | None
    dice_before: float | None
    iou_before: float | None
    bscans: int
    remark: str = ""

    @property
    def dice_change(self) -> float | None:
        """After less before; None where one of them is."""
        return _subtract(self.dice, self.dice_before)

    @property
    def iou_change(self) -> float | None:
        """After less before; None where one of them is."""
        return _subtract(self.iou, self.iou_before)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What came of a training.

    Attributes
    ----------
    text
        One sentence with the numbers.
    level
        By the mean foreground Dice to three digits; ``unknown`` where there is nothing to compare.
    promoted
        What the gate says: whether the new model is not worse; None: nothing to compare with.
    rows
        One for each class without background, and the mean at the end.
    remarks
        Sentences on how far the numbers can be trusted.
    """

    text: str
    level: Level
    promoted: bool | None
    rows: tuple[VerdictRow, ...] = ()
    remarks: tuple[str, ...] = ()


def judge_round(
    result: Mapping[str, Any],
    *,
    cancelled: bool = False,
    trained_on: TrainedOn | None = None,
    known: Collection[str] | None = None,
) -> Verdict:
    """Judge a training by the result of :func:`napari_retseg.learn.train.fine_tune`.

    Parameters
    ----------
    result
        What its last event holds.
    cancelled
        Whether it was stopped before its end.
    trained_on
        Of the new model: tells whether held-out patients were trained on.
    known
        Names of the starting model's classes; None: not known.
    """
    best, start = result.get("best"), result.get("start")
    stopped = f"Stopped after {count_noun(result.get('iterations', 0), 'iteration')}. "
    if best is None:
        return Verdict(
            f"{stopped if cancelled else ''}The new model has no scores yet: let it train until "
            "the first scores.",
            "unknown",
            None,
        )
    rows = _make_rows(best, start, known)
    text, level = _compare(best, start, rows)
    return Verdict(
        text=f"{stopped if cancelled else ''}{text}",
        level=level,
        promoted=result.get("promoted"),
        rows=rows,
        remarks=_list_remarks(result, rows, trained_on),
    )


def read_verdict(run: Path) -> Verdict:
    """Judge the training in a run's folder.

    Raises
    ------
    NotThereError
        Where there is no run, or it has not ended.
    InputError
        Where it cannot be read.
    """
    ended = [event for event in read_events(run) if isinstance(event, Finished)]
    if not ended:
        raise NotThereError(f"{run}: this training has not finished; resume it")
    paths = RunPaths(run)
    new, start = _read_quietly(paths.model), _read_quietly(paths.start_model)
    return judge_round(
        ended[-1].result,
        cancelled=ended[-1].cancelled,
        trained_on=None if new is None else new.trained_on,
        known=None if new is None or start is None else _list_known(new.classes, start.classes),
    )


def _list_known(classes: LabelSet, before: LabelSet) -> list[str]:
    """The classes that the old model knew, as such or in parts: *fluid* as IRF and SRF."""
    missing = list_missing_classes(classes, before)
    return [name for name in classes.names if name not in missing]


def keep_new(run: Path, name: str) -> Change:
    """Let a name mean the best model of a run; what it meant goes into the history.

    The user has seen the verdict: a model that was not promoted is taken, too.

    Raises
    ------
    ModelError
        Where the run has no model yet, or the name is none.
    """
    model = RunPaths(run.absolute()).model
    if not (model / DESCRIPTION).is_file():
        raise ModelError(f"{run}: no model yet; let it train until the first scores")
    return add_model(model, name=name, replace=True, force=True)


def keep_old(run: Path, name: str) -> Change | None:
    """Let a name mean what it meant before :func:`keep_new`; the run keeps its model.

    Returns
    -------
    Change or None
        None where the name does not mean the run's model: there is nothing to undo.

    Raises
    ------
    ModelError
        Where the models cannot be changed.
    """
    new = _read_quietly(RunPaths(run).model)
    try:
        versions = list_versions(name)
    except ModelError:
        return None
    now = versions[0].info if versions[0].is_current else None
    if new is None or now is None or now.weights_id != new.weights_id:
        return None
    if any(v.info is not None and v.info.weights_id != new.weights_id for v in versions):
        return roll_back(name)
    return remove_model(name)  # nothing had this name before; the history keeps it


def _compare(
    best: dict[str, Any], start: dict[str, Any] | None, rows: tuple[VerdictRow, ...]
) -> tuple[str, Level]:
    """Put the comparison into a sentence."""
    where = (
        f"on {count_noun(best['n_bscans'], 'B-scan')} of {count_noun(best['n_groups'], 'patient')}"
    )
    now = read_score(best, None, "dice")
    before = None if start is None else read_score(start, None, "dice")
    if now is None:
        return f"No score: the labels contain none of the classes {where}", "unknown"
    if before is None:
        return f"Nothing to compare with: mean foreground Dice {now:.3f} {where}", "unknown"
    change = round(now, 3) - round(before, 3)
    level: Level = "same" if abs(change) < 5e-4 else "better" if change > 0 else "worse"
    if level == "worse" and is_reference_of(start or {}):
        return (
            "Undecided: most held-out labels are predictions of the old model, so the scores "
            f"favour it; mean foreground Dice {now:.3f}, was {before:.3f} ({sign(change, 3)}) "
            f"{where}"
        ), "unknown"
    word = {"better": "Better", "same": "As good as before", "worse": "Worse"}[level]
    numbers = f"mean foreground Dice {now:.3f}, was {before:.3f} ({sign(change, 3)})"
    return f"{word}: {numbers} {where}{_name_changes(rows[:-1])}", level


def _name_changes(rows: tuple[VerdictRow, ...]) -> str:
    """Name the classes that changed most."""
    changes = [(row.dice_change, row.name) for row in rows]
    known = [(change, name) for change, name in changes if change is not None]
    largest = sorted((c for c in known if abs(c[0]) >= _LEAST), key=lambda c: -abs(c[0]))
    listed = ", ".join(f"{name} {sign(change, 2)}" for change, name in largest[:_NAMED])
    return f"; {listed}" if listed else ""


def _make_rows(
    best: dict[str, Any], start: dict[str, Any] | None, known: Collection[str] | None
) -> tuple[VerdictRow, ...]:
    names = list(best["classes"])[1:]
    rows = [_make_row(name, name, best, start, known) for name in names]
    return (*rows, _make_row("mean foreground", None, best, start, known))


def _make_row(
    title: str,
    name: str | None,
    best: dict[str, Any],
    start: dict[str, Any] | None,
    known: Collection[str] | None,
) -> VerdictRow:
    own = {} if name is None else best["classes"][name]
    return VerdictRow(
        name=title,
        dice=read_score(best, name, "dice"),
        iou=read_score(best, name, "iou"),
        dice_before=None if start is None else read_score(start, name, "dice"),
        iou_before=None if start is None else read_score(start, name, "iou"),
        bscans=best["n_bscans"] if name is None else own["bscans_present"],
        remark="" if name is None else _remark(name, own, start, known),
    )


def _remark(
    name: str, own: dict[str, Any], start: dict[str, Any] | None, known: Collection[str] | None
) -> str:
    if not own["reference_pixels"]:
        predicted = own["predicted_pixels"]
        if predicted:
            return f"{_ABSENT}, but predicted at {predicted} pixels"
        return _ABSENT
    if start is not None and known is not None and name not in known:
        return "not a class of the old model"
    return _ONE_ONLY if own["bscans_present"] == 1 else ""


def _list_remarks(
    result: Mapping[str, Any], rows: tuple[VerdictRow, ...], trained_on: TrainedOn | None
) -> tuple[str, ...]:
    best = result["best"]
    remarks = [_remark_on_number(best), _remark_on_patients(best, trained_on)]
    remarks.append(_remark_on_accepted(result.get("start") or {}))
    remarks += _remark_on_classes(rows, n_bscans=best["n_bscans"])
    remarks.append(remark_on_elsewhere(result.get("elsewhere") or {}))
    remarks.append(remark_on_unlabelled(result.get("unlabelled") or {}))
    remarks.append(remark_on_rehearsed(result.get("rehearsed") or {}))
    if result.get("start") is not None:
        remarks.append("Checkpoint chosen on these B-scans; score is optimistic.")
    return tuple(text for text in remarks if text)


def _remark_on_classes(rows: Iterable[VerdictRow], *, n_bscans: int) -> list[str]:
    """Say what is to be known about classes; those of which the same is to be said together."""
    named: dict[str, list[str]] = {}
    absent = []
    for row in rows:
        # of a single B-scan it goes without saying
        if not row.remark or (row.remark == _ONE_ONLY and n_bscans == 1):
            continue
        if row.remark.startswith(_ABSENT):
            rest = row.remark.removeprefix(_ABSENT).removeprefix(", but ")
            absent.append(f"{row.name} ({rest})" if rest else row.name)
        else:
            named.setdefault(row.remark, []).append(row.name)
    remarks = [f"{', '.join(names)}: {remark}." for remark, names in named.items()]
    return [f"N{_ABSENT[1:]}: {', '.join(absent)}.", *remarks] if absent else remarks


def _remark_on_number(best: dict[str, Any]) -> str:
    number = best["n_bscans"]
    if number >= FEW:
        return ""
    held = f"Only {count_noun(number, 'B-scan')} {agree(number)} held out"
    return f"{held}: small differences can be chance. Confirm more held-out B-scans."


def _remark_on_patients(best: dict[str, Any], trained_on: TrainedOn | None) -> str:
    warning = "" if trained_on is None else warn_of_split(trained_on)
    if warning:
        return f"{warning[0].upper()}{warning[1:]}."
    if best["n_groups"] == 1:
        return (
            "All held-out B-scans are of one patient: the model may be better or worse on others."
        )
    return ""


def _remark_on_accepted(start: Mapping[str, Any]) -> str:
    """Say where the old model is scored on its own predictions."""
    exact, kept = start.get("n_exact", 0), start.get("n_kept", 0)
    number = max(exact, kept)
    if not number:
        return ""
    held = f"{number} of {count_noun(start['n_bscans'], 'held-out B-scan')}"
    unchanged = exact >= kept
    how = "accepted without corrections" if unchanged else "accepted with small corrections"
    return (
        f"{held} {agree(number, 'is a prediction', 'are predictions')} of the old model, {how}, "
        "so the scores favour the old model. Compare the two models by eye, or label held-out "
        "B-scans without a prediction."
    )


def _read_quietly(bundle: Path) -> ModelInfo | None:
    try:
        return read_info(bundle)
    except ModelError:
        return None


def _subtract(after: float | None, before: float | None) -> float | None:
    return None if after is None or before is None else after - before

"""Pictures of what the best combination predicted: best, median and worst case, and animations."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.dataset import Case
from napari_retseg.errors import RetsegError
from napari_retseg.io import read_labels
from napari_retseg.io.atomic import write_bytes
from napari_retseg.overlay import draw_overlay, encode_png, stretch_grey
from napari_retseg.scan import OctScan
from napari_retseg.study.results import MEAN, Combination, RunResult
from napari_retseg.study.statistics import estimate_mean
from napari_retseg.study.study_run import StudyFolder, prediction_path

#: Pictures are scaled to about this height, by whole factors, so that they can be seen.
_HEIGHT = 240
_GAP = 6
_FRAME_MS = 140
_MOST_FRAMES = 80

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class ScoredCase:
    """A case with its mean foreground Dice, from counts pooled over its B-scans."""

    case: Case
    dice: float | None


@dataclass(frozen=True)
class CasePanel:
    """One case's pictures: scan, reference and prediction side by side."""

    rank: str
    name: str
    group: str
    dice: float | None
    picture: bytes


@dataclass(frozen=True)
class Animation:
    """An animated GIF."""

    name: str
    caption: str
    gif: bytes


@dataclass(frozen=True)
class Gallery:
    """The pictures of one run."""

    result: RunResult
    panels: tuple[CasePanel, ...]
    animations: tuple[Animation, ...]
    classes: LabelSet


def choose_best(combinations: Sequence[Combination]) -> RunResult | None:
    """Return the first run of the combination with the best mean score, by patient if any is."""
    by_patient = [one for one in combinations if one.results[0].spec.by == "patient"]
    best: tuple[float, RunResult] | None = None
    for one in by_patient or combinations:
        estimate = estimate_mean(one.values(MEAN, "dice"))
        if estimate is not None and (best is None or estimate.mean > best[0]):
            best = (estimate.mean, one.results[0])
    return None if best is None else best[1]


def draw_gallery(result: RunResult, folder: StudyFolder) -> Gallery:
    """Draw a run's best, median and worst case, and scroll through a patient's scans.

    Cases whose scans are not there any more are left out.
    """
    place = folder.run(result.spec.key).predictions
    scored = rank_cases(result)
    labels = result.spec.data.labels
    if not scored:
        return Gallery(result, (), (), labels)
    median = scored[len(scored) // 2]
    chosen = {"best": scored[-1], "median": median, "worst": scored[0]}
    panels = []
    seen: set[Path] = set()
    for rank, one in chosen.items():
        if one.case.image in seen:
            continue
        seen.add(one.case.image)
        opened = _open(one.case, labels, place)
        if opened is not None:
            panels.append(_draw_panel(rank, one, opened, labels))
    return Gallery(result, tuple(panels), tuple(_animate(median, result, place)), labels)


def write_masks(result: RunResult, folder: StudyFolder, target: Path) -> int:
    """Write a run's predicted labels as PNG, one a slice, beside the volumes; return their number.

    Pixels hold class values.
    """
    place = folder.run(result.spec.key).predictions
    written = 0
    for case in result.spec.data.open().of_split(result.spec.report_on):
        opened = _open(case, result.spec.data.labels, place)
        if opened is None:
            continue
        for number, plane in enumerate(opened.predicted):
            write_bytes(target / case.name / f"{number:04d}.png", encode_png(plane))
            written += 1
    return written


def rank_cases(result: RunResult) -> list[ScoredCase]:
    """Cases of the scored part by mean foreground Dice, the worst first; those without last."""
    dataset = result.spec.data.open()
    counts: dict[tuple[str, str], dict[str, list[int]]] = {}
    for bscan in result.scores["bscans"]:
        name = bscan["name"].rpartition(":")[0] or bscan["name"]
        pooled = counts.setdefault((bscan["group"], name), {})
        for one, own in list(bscan["classes"].items())[1:]:
            sums = pooled.setdefault(one, [0, 0, 0])
            sums[0] += own["predicted_pixels"] - own["false_positive_pixels"]
            sums[1] += own["reference_pixels"]
            sums[2] += own["predicted_pixels"]
    found = []
    for case in dataset.of_split(result.spec.report_on):
        key = (case.group, case.name)
        if key in counts:
            found.append(ScoredCase(case, _mean_dice(counts[key])))
    known = [one for one in found if one.dice is not None]
    return sorted(known, key=lambda one: one.dice or 0.0)


def _mean_dice(counts: dict[str, list[int]]) -> float | None:
    values = [2 * hit / (ref + pred) for hit, ref, pred in counts.values() if ref]
    return sum(values) / len(values) if values else None


@dataclass(frozen=True)
class _Opened:
    """A scan and its labels, ``(bscan, depth, width)``, also of a single B-scan."""

    scan: OctScan
    reference: Picture
    predicted: Picture


def _open(case: Case, labels: LabelSet, folder: Path) -> _Opened | None:
    """Read a case with what was predicted for it; None where it cannot be read any more."""
    try:
        scan = case.read_scan()
        predicted = read_labels(prediction_path(case, scan, folder), scan=scan)
        reference = case.read_labels(labels, shape=scan.spatial_shape)
    except (RetsegError, OSError):
        return None
    shape = (scan.n_bscans, *scan.spatial_shape[-2:])
    return _Opened(scan, reference.reshape(shape), predicted.reshape(shape))


def _draw_panel(rank: str, one: ScoredCase, opened: _Opened, labels: LabelSet) -> CasePanel:
    bscan = _busiest(opened)
    views = _draw_views(opened, bscan, labels)
    picture = _beside([_enlarge(view, len(views)) for view in views])
    return CasePanel(rank, one.case.name, one.case.group, one.dice, encode_png(picture))


def _busiest(opened: _Opened) -> int:
    """The B-scan or slice with most foreground in the reference."""
    return int(np.argmax([((p > 0) & (p != IGNORE)).sum() for p in opened.reference]))


def _draw_views(opened: _Opened, bscan: int, labels: LabelSet) -> list[Picture]:
    """Scan, reference over it, prediction over it."""
    grey = opened.scan.read_bscan(bscan)[0]
    views = [np.repeat(stretch_grey(grey).round().astype(np.uint8)[..., np.newaxis], 3, axis=2)]
    overlaid = (values[bscan] for values in (opened.reference, opened.predicted))
    return [*views, *(draw_overlay(grey, plane, labels) for plane in overlaid)]


def _animate(chosen: ScoredCase, result: RunResult, folder: Path) -> Iterable[Animation]:
    """Scroll through the median case, or through the B-scans of its patient."""
    labels = result.spec.data.labels
    cases = [chosen.case]
    opened = _open(chosen.case, labels, folder)
    if opened is not None and not opened.scan.is_volume:
        scored = result.spec.data.open().of_split(result.spec.report_on)
        cases = [case for case in scored if case.group == chosen.case.group]
    frames = list(_list_frames(cases, labels, folder))
    if len(frames) < 2:
        return
    step = -(-len(frames) // _MOST_FRAMES)
    frames = frames[::step]
    name = chosen.case.name if len(cases) == 1 else chosen.case.group
    pairs = [_beside([_enlarge(v, 2) for v in views[1:]]) for views, _ in frames]
    yield Animation(
        "side-by-side", f"{name}: the reference to the left, the prediction to the right",
        _encode_gif(pairs),
    )  # fmt: skip
    over = [_enlarge(picture, 1) for _, picture in frames]
    yield Animation(
        "overlay", f"{name}: the prediction in colour, the reference's outline in white",
        _encode_gif(over),
    )  # fmt: skip


def _list_frames(
    cases: Sequence[Case], labels: LabelSet, folder: Path
) -> Iterable[tuple[list[Picture], Picture]]:
    for case in cases:
        opened = _open(case, labels, folder)
        if opened is None:
            continue
        for bscan in range(opened.scan.n_bscans):
            views = _draw_views(opened, bscan, labels)
            yield views, _outline(views[2], opened.reference[bscan])


def _outline(picture: Picture, labels: Picture) -> Picture:
    """Draw the borders of the reference's foreground in white."""
    edge = np.zeros(labels.shape, bool)
    inside = np.where(labels == IGNORE, 0, labels)
    edge[1:] |= inside[1:] != inside[:-1]
    edge[:, 1:] |= inside[:, 1:] != inside[:, :-1]
    drawn = picture.copy()
    drawn[edge] = 255
    return drawn


def _enlarge(picture: Picture, n_beside: int) -> Picture:
    """Repeat pixels of small pictures, and thin out large ones, to a size that fits a page."""
    height, width = picture.shape[:2]
    factor = max(1, round(_HEIGHT / height))
    image = Image.fromarray(picture)
    image = image.resize((width * factor, height * factor), Image.Resampling.NEAREST)
    image.thumbnail((1500 // n_beside, 600), Image.Resampling.LANCZOS)
    return np.asarray(image)


def _beside(pictures: Sequence[Picture]) -> Picture:
    height = max(p.shape[0] for p in pictures)
    width = sum(p.shape[1] for p in pictures) + _GAP * (len(pictures) - 1)
    sheet = Image.new("RGB", (width, height), "white")
    left = 0
    for picture in pictures:
        sheet.paste(Image.fromarray(picture), (left, 0))
        left += picture.shape[1] + _GAP
    return np.asarray(sheet)


def _encode_gif(frames: Sequence[Picture]) -> bytes:
    images = [Image.fromarray(_number(frame, k, len(frames))) for k, frame in enumerate(frames)]
    stream = io.BytesIO()
    save = partial(images[0].save, stream, format="GIF", save_all=True, loop=0)
    save(append_images=images[1:], duration=_FRAME_MS)
    return stream.getvalue()


def _number(frame: Picture, index: int, total: int) -> Picture:
    image = Image.fromarray(frame)
    ImageDraw.Draw(image).text((6, 4), f"{index + 1}/{total}", fill="white", stroke_width=1,
                               stroke_fill="black")  # fmt: skip
    return np.asarray(image)


def scores_by_case(results: Sequence[RunResult]) -> list[dict[str, Any]]:
    """Rows of each run's cases with their mean foreground Dice."""
    return [
        {"run": r.spec.key, "case": one.case.name, "patient": one.case.group, "dice": one.dice}
        for r in {result.spec.key: result for result in results}.values()
        for one in rank_cases(r)
    ]

"""The model card: what a bundle is, in words, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from napari_retseg.models.description import ModelInfo
from napari_retseg.models.scoresheet import ScoreSheet
from napari_retseg.models.wording import (
    count_patients,
    describe_held_out,
    describe_input,
    describe_network,
    describe_thresholds,
    describe_training,
    describe_verdict,
    warn_of_split,
)
from napari_retseg.plaintext import make_markdown
from napari_retseg.plural import count_noun


def write_card(info: ModelInfo, *, version: str) -> str:
    """Write the text of ``MODEL_CARD.md``."""
    parts = [
        f"# {make_markdown(info.name)}",
        "",
        f"A segmentation model for retinal OCT, written by napari-retseg {version}.",
        "",
        *([*map(make_markdown, info.about.splitlines()), ""] if info.about else []),
        f"- Network: {describe_network(info)}",
        f"- Classes: {make_markdown(', '.join(info.classes.names))}",
        f"- Input: {describe_input(info)}",
        f"- Starting model: {info.parent or 'none (trained from scratch)'}",
        f"- Weights: SHA-256 {info.weights_id}",
        "",
        "## Training data",
        "",
        *_describe_training(info),
        "",
        "## Scores on held-out scans",
        "",
        *_describe_scores(info),
        "",
        *_describe_measurements(info),
        *_describe_operating_point(info),
        "## Limits",
        "",
        "For research only. Not a medical device; check every segmentation that matters.",
        "The model may fail on scans of another device, resolution or disease than those it "
        "was trained on.",
        "",
    ]
    return "\n".join(parts)


def _describe_training(info: ModelInfo) -> list[str]:
    trained = info.trained_on
    if trained is None:
        return ["Not recorded."]
    name = trained.dataset or "not named"
    return [
        f"- Dataset: {make_markdown(name)} (SHA-256 {trained.sha256})",
        f"- {describe_training(trained)}",
        f"- Held out: {make_markdown(describe_held_out(trained))}",
    ]


def _describe_scores(info: ModelInfo) -> list[str]:
    scores = info.scores
    if scores is None:
        return ["Not measured."]
    trained = info.trained_on
    warning = "" if trained is None else warn_of_split(trained)
    is_simulated = trained is not None and trained.simulated
    patients = count_patients(scores["n_groups"], simulated=is_simulated)
    verdict = describe_verdict(info)
    lines = [f"**Warning: {warning}.**", ""] if warning else []
    lines += [f"{verdict[0].upper()}{verdict[1:]}.", ""] if verdict else []
    lines += [
        *_table(scores, info.start_scores),
        "",
        f"Pooled over {count_noun(scores['n_bscans'], 'B-scan')} of {patients}. If the best of "
        "several checkpoints was chosen on these B-scans, the scores are slightly optimistic.",
    ]
    return lines


def _table(scores: ScoreSheet, before: ScoreSheet | None) -> list[str]:
    """Dice and IoU of each class, beside those of the starting model where there are some."""
    titles = ["class", "Dice", "IoU"]
    if before is not None:
        titles += ["Dice of the starting model", "IoU of the starting model"]
    lines = [_row([*titles, "B-scans"]), "|" + "---|" * (len(titles) + 1)]
    for name, one in scores["classes"].items():
        old: Mapping[str, Any] | None = None
        if before is not None:
            old = before["classes"].get(name) or {}
        lines.append(_row([name, *_cells(one, old, ""), str(one["bscans_present"])]))
    cells = _cells(scores, before, "mean_foreground_")
    lines.append(_row(["foreground mean", *cells, str(scores["n_bscans"])]))
    return lines


def _cells(scores: Mapping[str, Any], before: Mapping[str, Any] | None, prefix: str) -> list[str]:
    both = [scores] if before is None else [scores, before]
    return [_format(one.get(f"{prefix}{key}")) for one in both for key in ("dice", "iou")]


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(map(make_markdown, cells))} |"


def _describe_measurements(info: ModelInfo) -> list[str]:
    """One table for all data that it was measured on besides its own held-out scans."""
    if not info.measured:
        return []
    names = list(dict.fromkeys(name for one in info.measured for name in one.dice))
    return [
        "## Measured on other scans",
        "",
        "Dice, pooled over scans that were not used in the training.",
        "",
        _row(["class", *(one.data for one in info.measured)]),
        "|" + "---|" * (len(info.measured) + 1),
        *(_row([n, *(_format(one.dice.get(n)) for one in info.measured)]) for n in names),
        "",
    ]


def _describe_operating_point(info: ModelInfo) -> list[str]:
    if not info.thresholds:
        return []
    thresholds = make_markdown(describe_thresholds(info))
    return [
        "## Operating point",
        "",
        f"Thresholds, used in every prediction: {thresholds}; 0.5 for the other classes. They "
        "were chosen on the held-out scans. The scores above do not use them. To measure the "
        "scores with them, use scans that were not used for this choice (`evaluate --split "
        "test`).",
        "",
    ]


def _format(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"

"""The model card: what a bundle is, in words, for people."""

from __future__ import annotations

from typing import Any

from napari_retseg.config import NetworkConfig
from napari_retseg.models import ModelInfo


def write_card(info: ModelInfo, *, version: str) -> str:
    """Write the text of ``MODEL_CARD.md``."""
    parts = [
        f"# {info.name}",
        "",
        f"A segmentation model for retinal OCT, written by napari-retseg {version}.",
        "",
        f"- Network: {_describe_network(info.network)}",
        f"- Classes: {', '.join(info.classes.names)}",
        f"- Input: {_describe_input(info)}",
        f"- Started from: {info.parent or 'new weights'}",
        f"- Weights: SHA-256 {info.weights_id}",
        "",
        "## Trained on",
        "",
        *_describe_training(info),
        "",
        "## Scores on held-out scans",
        "",
        *_describe_scores(info.scores),
        "",
        "## Limits",
        "",
        "For research. Not a medical device; check every segmentation that matters.",
        "Scans of another device, resolution or disease than those it was trained on may fail.",
        "",
    ]
    return "\n".join(parts)


def _describe_network(network: NetworkConfig) -> str:
    words = [f"{network.arch} (3D)" if network.dims == 3 else network.arch]
    if network.dims == 2:
        words[0] += f" with encoder {network.encoder}"
    if network.head != "plain":
        words.append(f"{network.head} head")
    if network.auxiliary:
        words.append("auxiliary head for training")
    words.append(f"{network.in_channels} input plane(s)")
    return ", ".join(words)


def _describe_input(info: ModelInfo) -> str:
    preprocess = info.preprocess
    over = "each B-scan" if preprocess.normalise_over == "bscan" else "the whole scan"
    words = ["N4 bias correction"] if preprocess.n4 else []
    words.append(f"{preprocess.normalise} normalisation of {over}")
    if preprocess.every > 1:
        words.append(f"one of every {preprocess.every} pixels along each axis")
    elif preprocess.size:
        words.append(f"resized to {_join(preprocess.size)}")
    elif preprocess.spacing_um:
        words.append(f"resampled to {_join(preprocess.spacing_um)} um")
    elif set(preprocess.scale) != {1.0}:
        words.append(f"scaled by {_join(preprocess.scale)}")
    if preprocess.fit:
        words.append(f"cropped or padded to {_join(preprocess.fit)}")
    elif preprocess.multiple:
        words.append(f"trimmed to a multiple of {preprocess.multiple}")
    if preprocess.neighbours > 1:
        words.append(f"{preprocess.neighbours} neighbouring B-scans as planes")
    return ", ".join(words)


def _join(values: tuple[float, ...]) -> str:
    return " x ".join(f"{value:g}" for value in values)


def _describe_training(info: ModelInfo) -> list[str]:
    trained = info.trained_on
    if trained is None:
        return ["Not recorded."]
    kind = "simulated B-scans" if trained.simulated else "B-scans"
    return [
        f"- Data set: {trained.dataset} (SHA-256 {trained.sha256})",
        f"- {trained.bscans} {kind} of {len(trained.groups)} patient(s), "
        f"{trained.iterations} iterations",
        f"- Held out: {len(trained.heldout_groups)} patient(s); split: {trained.split}",
    ]


def _describe_scores(scores: dict[str, Any] | None) -> list[str]:
    if scores is None:
        return ["None were measured."]
    lines = ["| class | Dice | IoU | B-scans |", "|---|---|---|---|"]
    for name, row in scores["classes"].items():
        dice, iou = (_format(row[key]) for key in ("dice", "iou"))
        lines.append(f"| {name} | {dice} | {iou} | {row['bscans_present']} |")
    mean_dice = _format(scores["mean_foreground_dice"])
    mean_iou = _format(scores["mean_foreground_iou"])
    lines += [
        f"| mean of the foreground | {mean_dice} | {mean_iou} | {scores['n_bscans']} |",
        "",
        f"Pooled over {scores['n_bscans']} B-scans of {scores['n_groups']} patient(s). Training "
        "keeps the iteration that scores best on them, so they can be slightly optimistic.",
    ]
    return lines


def _format(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"

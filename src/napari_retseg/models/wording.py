"""What is known about a model, in words: for its card and for ``models show``."""

from __future__ import annotations

from napari_retseg.models.description import ModelInfo
from napari_retseg.models.trained import TrainedOn
from napari_retseg.plural import count_noun


def describe_network(info: ModelInfo) -> str:
    """Name the network: architecture, encoder, head, dimensions, input planes."""
    network = info.network
    text = f"{network.arch} (3D)" if network.dims == 3 else f"{network.arch} with {network.encoder}"
    if network.head != "plain":
        text += f" and {network.head} head"
    return f"{text}, {count_noun(network.in_channels, 'input channel')}"


def describe_input(info: ModelInfo) -> str:
    """Say how a scan becomes the network's input."""
    preprocess = info.preprocess
    over = "scan" if preprocess.normalise_over == "scan" else "B-scan"
    parts = ["N4 bias field correction"] if preprocess.n4 else []
    parts.append(f"{preprocess.normalise} normalisation of each {over}")
    if preprocess.every > 1:
        parts.append(f"1 of every {preprocess.every} pixels along each axis")
    elif preprocess.size is not None:
        parts.append(f"resized to {_times(preprocess.size)}")
    elif preprocess.spacing_um is not None:
        parts.append(f"resampled to a pixel size of {_times(preprocess.spacing_um)} µm")
    elif any(scale != 1 for scale in preprocess.scale):
        parts.append(f"scaled by {_times(preprocess.scale)}")
    if preprocess.fit is not None:
        parts.append(f"cropped or padded to {_times(preprocess.fit)}")
    if preprocess.multiple is not None:
        parts.append(f"trimmed to a multiple of {preprocess.multiple}")
    if preprocess.trained_size is not None:
        parts.append(f"trained on samples of {_times(preprocess.trained_size)}")
    if preprocess.neighbours > 1:
        parts.append(f"{preprocess.neighbours} neighbouring B-scans")
    if preprocess.axis and info.network.dims == 2:
        parts.append(f"slices along axis {preprocess.axis}")
    return ", ".join(parts)


def describe_verdict(info: ModelInfo) -> str:
    """Say whether the model passed the gate, with both numbers; empty where there was none.

    The gate compares the mean foreground Dice on the held-out scans with that of the model
    which it started from.
    """
    if info.promoted is None:
        return ""
    verdict = "promoted" if info.promoted else "not promoted"
    before = None if info.start_scores is None else info.start_scores["mean_foreground_dice"]
    return (
        f"{verdict}: mean foreground Dice {_format(info.mean_dice)} on the held-out scans, "
        f"{_format(before)} with the starting model"
    )


def describe_thresholds(info: ModelInfo) -> str:
    """List the thresholds of the operating point; empty where there are none."""
    return ", ".join(f"{name} {threshold:.3g}" for name, threshold in info.thresholds.items())


def count_patients(number: int, *, simulated: bool = False) -> str:
    """Count patients, in words; simulated ones are called so."""
    return count_noun(number, "simulated patient" if simulated else "patient")


def describe_training(trained: TrainedOn) -> str:
    """Say how long and on what a model was trained."""
    patients = count_patients(trained.n_groups, simulated=trained.simulated)
    scans = f"{count_noun(trained.bscans, 'B-scan')} of {patients}"
    kept = (
        f"; initial-weight fraction (WiSE-FT) {trained.kept_start:g}" if trained.kept_start else ""
    )
    added = (
        f"; simulated B-scans, {trained.simulated_share:.0%} of each batch, were added"
        if trained.simulated_share
        else ""
    )
    return f"{count_noun(trained.iterations, 'iteration')} on {scans}{kept}{added}"


def describe_held_out(trained: TrainedOn) -> str:
    """Say what was held out of the training, and by which split."""
    patients = count_patients(trained.n_heldout_groups, simulated=trained.simulated)
    return f"{patients}; {trained.split}"


def warn_of_split(trained: TrainedOn) -> str:
    """Say why the held-out scores flatter; empty where patients are on one side each."""
    shared = trained.n_shared_groups
    if "by image" in trained.split:
        return (
            f"split by image ({count_noun(shared, 'patient')} in both training and held-out "
            "data): the scores are too optimistic for other patients"
        )
    if not shared:
        return ""
    if trained.n_groups + trained.n_heldout_groups - shared == 1:
        return "one patient only: the scores say nothing about other patients"
    return (
        f"{count_noun(shared, 'patient')} in both training and held-out data: the scores are too "
        "optimistic for other patients"
    )


def _times(values: tuple[float, ...]) -> str:
    return " x ".join(f"{value:g}" for value in values)


def _format(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"

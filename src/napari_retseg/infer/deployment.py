"""``deployment.json``: how to use an exported network, for a program that is not ours."""

from __future__ import annotations

from typing import Any

from napari_retseg.config import PreprocessConfig
from napari_retseg.decode.choice import choose_layers
from napari_retseg.decode.surfaces import SURFACE_STEPS
from napari_retseg.infer.runtimes import INPUT, OUTPUT
from napari_retseg.layers import is_lesion
from napari_retseg.models import ModelInfo
from napari_retseg.nets.normalise import CLIPPED_PERCENT, IMAGENET_GREY, IMAGENET_RGB
from napari_retseg.nets.nyul import PERCENTILES
from napari_retseg.nets.sizes import smallest_sample
from napari_retseg.nets.stride import stride_of

#: Of ONNX's operators: what ONNX Runtime 1.14 and newer and OpenVINO read.
OPSET = 17

_QUANTILE = (
    "of integers of at most 16 bits, before they become float32, the lowest value that at least "
    "this share of the pixels does not exceed: numpy's inverted_cdf; of other numbers numpy's "
    "linear"
)
_NORMALISATIONS = {
    "none": "keep the grey values",
    "min-max": "(v - minimum) / (maximum - minimum)",
    "z-score-0-1": "(v - minimum) / (maximum - minimum)",
    "z-score": "(v - mean) / standard deviation (of the population)",
    "percentile": (
        f"(v - low) / (high - low), clipped to 0..1; low and high are the {CLIPPED_PERCENT} % and "
        f"{100 - CLIPPED_PERCENT} % quantiles ({_QUANTILE})"
    ),
    "imagenet": (
        "bring v to 0..1 (uint8 by 255, uint16 by 65535, other numbers by minimum and maximum), "
        f"subtract the mean and divide by the standard deviation: {IMAGENET_RGB} for three "
        f"channels, else {IMAGENET_GREY}"
    ),
    "nyul": (
        f"piecewise linear, from the image's percentiles {list(PERCENTILES)} ({_QUANTILE}) to "
        f"`landmarks` ({len(PERCENTILES)} of each channel); percentiles of the same grey "
        "value take the mean of their landmarks; the first and last piece go on beyond"
    ),
}


def describe_deployment(info: ModelInfo, *, sha256: str) -> dict[str, Any]:
    """Describe an exported network: input, output, what to do before and after.

    Parameters
    ----------
    sha256
        Of the ONNX file.
    """
    network = info.network
    shape: list[str | int] = ["n", network.in_channels, "rows", "columns"]
    return {
        "schema_version": 1,
        "sha256": sha256,
        "weights_id": info.weights_id,
        "model": {"name": info.name, "opset": OPSET, "batchnorm": "folded", "precision": "fp32"},
        "input": {
            "name": INPUT,
            "type": "float32",
            "shape": shape,
            "rows_and_columns": f"any multiples of {stride_of(network)}, at least "
            f"{smallest_sample(network)}",
        },
        "output": {
            "name": OUTPUT,
            "type": "float32",
            "shape": ["n", network.n_classes, "rows", "columns"],
            "meaning": "logits; their softmax over axis 1 are the probabilities of the classes",
        },
        "preprocessing": {
            "steps": _list_steps(info),
            "settings": info.preprocess.model_dump(mode="json"),
        },
        "decoding": _describe_decoding(info),
    }


def _list_steps(info: ModelInfo) -> list[str]:
    """What becomes of a B-scan before the network sees it, in order."""
    config = info.preprocess
    over = "the whole scan" if config.normalise_over == "scan" else "the B-scan"
    steps = ["take a B-scan (rows: depth, columns: A-scans) as float32, each channel for itself"]
    if config.axis:
        steps[0] = f"slice a volume that is not OCT along axis {config.axis}; {steps[0]}"
    if config.n4:
        steps.append("correct its shading by N4 (SimpleITK, fitted to means of 8 x 8 pixels)")
    steps.append(
        f"normalise by the statistics of {over}: {_NORMALISATIONS[config.normalise]}; zeros where "
        "there is no contrast"
    )
    if config.neighbours > 1:
        steps.append(
            f"stack {config.neighbours} neighbouring B-scans as channels, in their order, this one "
            "in the middle; at the ends of the volume the last one is repeated"
        )
    steps += [*_list_sizes(config), _describe_padding(info)]
    if config.window is not None:
        steps.append(
            f"predict it in windows of {config.window} (rows, columns), each {config.window_stride}"
            " after the one before and the last one at the edge; average the logits where they "
            "overlap"
        )
    return steps


def _list_sizes(config: PreprocessConfig) -> list[str]:
    steps = []
    how = "linearly, averaging where it shrinks (torch: bilinear, antialias)"
    if config.every > 1:
        steps.append(f"take each {config.every}th row and column, from the first")
    elif config.size is not None:
        steps.append(f"resize it to {config.size} (rows, columns), {how}")
    elif config.spacing_um is not None:
        steps.append(f"resize it to a pixel size of {config.spacing_um} µm (rows, columns), {how}")
    elif any(factor != 1 for factor in config.scale):
        steps.append(f"resize it by the factors {config.scale} (rows, columns), {how}")
    if config.fit is not None:
        steps.append(f"crop or pad it around the centre to {config.fit}; padding repeats the edge")
    elif config.multiple is not None:
        steps.append(f"crop it around the centre to multiples of {config.multiple}")
    return steps


def _describe_padding(info: ModelInfo) -> str:
    stride, trained = stride_of(info.network), info.preprocess.trained_size
    if trained is None:
        return f"pad at the end to multiples of {stride}; padding repeats the edge"
    return (
        f"pad around the centre to at least {trained} (rows, columns) and to multiples of "
        f"{stride} (of an odd number of pixels one more behind); padding repeats the edge"
    )


def _describe_decoding(info: ModelInfo) -> dict[str, Any]:
    classes = info.classes
    order = choose_layers(classes, "auto")
    names = classes.names
    return {
        "classes": [
            {"index": index, "value": one.value, "name": one.name, "color": one.color}
            for index, one in enumerate(classes.classes)
        ],
        "thresholds": info.thresholds,
        "plain": [
            "leave out the padding, and undo the resampling of the logits linearly (torch: "
            "bilinear, align_corners=False); what a crop has cut is background",
            "add ln((1 - t) / t) to the logits of each class with a threshold t",
            "the class with the largest logit wins, the first of equals; `value` is what the label "
            "files of napari-retseg hold",
        ],
        "surfaces": list(SURFACE_STEPS) if order else None,
        "layers_from_above": [names[k] for k in order],
        "lesions": [name for name in names[1:] if is_lesion(name)],
        "default": "surfaces" if order else "plain",
    }

"""The model card says what was measured, on whom, and what it is worth."""

from __future__ import annotations

from typing import Any

import pytest

from napari_retseg.config import NetworkConfig, PreprocessConfig
from napari_retseg.models import Measurement, ModelInfo, TrainedOn
from napari_retseg.models.card import write_card

TRAINED = TrainedOn(
    dataset="Clinic",
    sha256="f00d",
    n_groups=2,
    n_heldout_groups=1,
    bscans=12,
    iterations=400,
    split="fold 1 of 3, by patient (seed 0)",
)


def make_scores(fluid: float | None, layers: float = 0.9) -> dict[str, Any]:
    dice = {"background": 0.99, "upper": layers, "lower": layers, "fluid": fluid}
    rows = {
        name: {"dice": value, "iou": None if value is None else value / 2, "bscans_present": 5}
        for name, value in dice.items()
    }
    return {
        "classes": rows,
        "mean_foreground_dice": layers,
        "mean_foreground_iou": layers / 2,
        "n_bscans": 6,
        "n_groups": 1,
    }


def card_of(info: ModelInfo, **about: Any) -> str:
    return write_card(info.model_copy(update=about), version="1.2")


def test_the_split_is_said_in_words(tiny_info: ModelInfo) -> None:
    card = card_of(tiny_info, trained_on=TRAINED, scores=make_scores(0.5))
    assert "- 400 iterations on 12 B-scans of 2 patients\n" in card
    assert "- Held out: 1 patient; fold 1 of 3, by patient (seed 0)\n" in card
    assert "Warning" not in card


def test_simulated_patients_are_called_so(tiny_info: ModelInfo) -> None:
    trained = TRAINED.model_copy(update={"simulated": True})
    card = card_of(tiny_info, trained_on=trained, scores=make_scores(0.5))
    assert "- 400 iterations on 12 B-scans of 2 simulated patients\n" in card
    assert "- Held out: 1 simulated patient;" in card
    assert "Pooled over 6 B-scans of 1 simulated patient." in card


@pytest.mark.parametrize(
    ("update", "words"),
    [
        (
            {"split": "80/20, by image", "n_heldout_groups": 2, "n_shared_groups": 2},
            "**Warning: split by image (2 patients in both training and held-out data): the "
            "scores are too optimistic",
        ),
        (
            {"split": "80/20, by image"},
            "**Warning: split by image (0 patients in both training and held-out data)",
        ),
        (
            {"n_heldout_groups": 2, "n_shared_groups": 1},
            "**Warning: 1 patient in both training and held-out data",
        ),
        (
            {"n_groups": 1, "n_heldout_groups": 1, "n_shared_groups": 1},
            "**Warning: one patient only: the scores say nothing about other patients.**",
        ),
    ],
)
def test_scores_that_flatter_come_with_a_warning(
    tiny_info: ModelInfo, update: dict[str, Any], words: str
) -> None:
    trained = TRAINED.model_copy(update=update)
    card = card_of(tiny_info, trained_on=trained, scores=make_scores(0.5))
    assert words in card
    assert card.index("## Scores") < card.index(words) < card.index("| class |")


def test_the_starting_models_scores_stand_beside(tiny_info: ModelInfo) -> None:
    before = make_scores(None, layers=0.8)
    del before["classes"]["lower"]
    card = card_of(tiny_info, scores=make_scores(0.5), start_scores=before, promoted=True)
    assert (
        "| class | Dice | IoU | Dice of the starting model | IoU of the starting model | B-scans "
        "|\n"
        "|---|---|---|---|---|---|" in card
    )
    assert "| upper | 0.900 | 0.450 | 0.800 | 0.400 | 5 |" in card
    assert "| lower | 0.900 | 0.450 | - | - | 5 |" in card
    assert "| fluid | 0.500 | 0.250 | - | - | 5 |" in card
    assert "| foreground mean | 0.900 | 0.450 | 0.800 | 0.400 | 6 |" in card
    assert (
        "Promoted: mean foreground Dice 0.900 on the held-out scans, "
        "0.800 with the starting model." in card
    )


def test_a_model_that_is_not_promoted_says_so(tiny_info: ModelInfo) -> None:
    card = card_of(
        tiny_info, scores=make_scores(0.5, 0.7), start_scores=make_scores(0.5), promoted=False
    )
    assert "Not promoted: mean foreground Dice 0.700 on the held-out scans, 0.900 with" in card


def test_without_a_starting_model_there_is_one_column_and_no_verdict(tiny_info: ModelInfo) -> None:
    card = card_of(tiny_info, scores=make_scores(0.5))
    assert "| class | Dice | IoU | B-scans |\n|---|---|---|---|\n" in card
    assert "romoted" not in card
    assert "Not measured." in card_of(tiny_info)


def test_the_operating_point_is_listed(tiny_info: ModelInfo) -> None:
    card = card_of(tiny_info, scores=make_scores(0.5), thresholds={"fluid": 0.3125, "upper": 0.6})
    assert (
        "## Operating point\n\nThresholds, used in every prediction: fluid 0.312, upper 0.6;"
        in card
    )
    assert "## Operating point" not in card_of(tiny_info, scores=make_scores(0.5))


@pytest.mark.parametrize(
    ("network", "preprocess", "words"),
    [
        ({}, {}, "unet with resnet34, 1 input channel"),
        ({"head": "psp"}, {}, "unet with resnet34 and psp head, 1 input channel"),
        ({"arch": "dynunet"}, {"scale": (1.0, 1.0, 0.5)}, "dynunet (3D), 1 input channel"),
        ({}, {}, "Input: percentile normalisation of each B-scan\n"),
        ({}, {"n4": True}, "Input: N4 bias field correction, percentile"),
        ({}, {"normalise_over": "scan"}, "of each scan\n"),
        ({}, {"scale": (1.0, 0.5)}, "B-scan, scaled by 1 x 0.5\n"),
        ({"arch": "dynunet"}, {"scale": (1.0, 1.0, 0.5)}, ", scaled by 1 x 1 x 0.5\n"),
        ({}, {"every": 2, "size": (8, 8)}, "B-scan, 1 of every 2 pixels along each axis\n"),
        ({}, {"size": (256, 512)}, ", resized to 256 x 512\n"),
        ({}, {"spacing_um": (3.9, 11.6)}, ", resampled to a pixel size of 3.9 x 11.6 µm\n"),
        ({}, {"fit": (240, 192)}, ", cropped or padded to 240 x 192\n"),
        ({}, {"multiple": 32}, ", trimmed to a multiple of 32\n"),
        ({}, {"neighbours": 3, "axis": 2}, ", 3 neighbouring B-scans, slices along axis 2\n"),
    ],
)
def test_network_and_input_are_described(
    tiny_info: ModelInfo, network: dict[str, Any], preprocess: dict[str, Any], words: str
) -> None:
    card = card_of(
        tiny_info,
        network=NetworkConfig.model_validate(network),
        preprocess=PreprocessConfig.model_validate(preprocess),
    )
    assert words in card


def test_what_it_is_and_what_was_measured_elsewhere_is_told(tiny_info: ModelInfo) -> None:
    two = (
        Measurement(data="6 B-scans of clinic A", dice={"upper": 0.91, "fluid": 0.5}),
        Measurement(data="3 B-scans of clinic B", dice={"upper": 0.8}),
    )
    card = card_of(tiny_info, about="For a start.", measured=two)
    assert "\nFor a start.\n" in card
    assert "| class | 6 B-scans of clinic A | 3 B-scans of clinic B |" in card
    assert "| upper | 0.910 | 0.800 |" in card
    assert "| fluid | 0.500 | - |" in card
    assert "Measured on other scans" not in card_of(tiny_info)

from __future__ import annotations

import re
from typing import Any

import pytest
from pydantic import ValidationError

from napari_retseg.config import TrainConfig
from napari_retseg.config.texts import (
    LOSSES,
    Fit,
    LossTerm,
    Resize,
    SplitPlan,
    Strategy,
    Window,
    parse_class_weights,
    parse_fit,
    parse_loss,
    parse_resize,
    parse_size,
    parse_split,
    parse_strategy,
    parse_window,
)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("496x384", (496, 384)),
        ("40x64x48", (40, 64, 48)),
        ("496", None),
        ("1x2x3x4", None),
        ("496x", None),
        ("496 x 384", None),
        ("-4x4", None),
        ("4.0x4", None),
        ("whole", None),
        ("", None),
    ],
)
def test_size(text: str, size: tuple[int, ...] | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("auto", Resize("auto")),
        ("none", Resize("none")),
        ("256x256", Resize("size", size=(256, 256))),
        ("240x192x192", Resize("size", size=(240, 192, 192))),
        ("every:2", Resize("every", every=2)),
        ("spacing:3.9x11.6", Resize("spacing", spacing_um=(3.9, 11.6))),
        ("spacing:1000x1000x2e3", Resize("spacing", spacing_um=(1000, 1000, 2000))),
    ],
)
def test_resize(text: str, expected: Resize) -> None:
    assert parse_resize(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        *("", "half", "0x64", "64", "size:4x4", "every:0", "every:", "every:1.5", "every:-2"),
        *("spacing:3.9", "spacing:0x4", "spacing:-1x4", "spacing:ax4", "spacing:"),
    ],
)
def test_resize_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=f"^resize must be .*not {re.escape(repr(text))}$"):
        parse_resize(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("none", Fit()),
        ("256x128", Fit(size=(256, 128))),
        ("128x128x128", Fit(size=(128, 128, 128))),
        ("multiple:32", Fit(multiple=32)),
    ],
)
def test_fit(text: str, expected: Fit) -> None:
    assert parse_fit(text) == expected


NO_FITS = ["", "whole", "0x4", "multiple:0", "multiple:", "multiple:x", "32"]


@pytest.mark.parametrize("text", NO_FITS)
def test_fit_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=f"^fit must be .*not {re.escape(repr(text))}$"):
        parse_fit(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("auto", None),
        ("none", None),
        ("256x256/170", Window((256, 256), 170)),
        ("96x128", Window((96, 128), 64)),
    ],
)
def test_window(text: str, expected: Window | None) -> None:
    assert parse_window(text) == expected


@pytest.mark.parametrize("text", ["", "256", "0x4", "64x64/0", "64x64/65", "64x64/x", "8x8x8/4"])
def test_window_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=r"^window must be "):
        parse_window(text)


@pytest.mark.parametrize("text", ["all", "decoder", "last-three", "head", "scratch"])
def test_strategy(text: str) -> None:
    assert parse_strategy(text) == Strategy(text)  # type: ignore[arg-type]


def test_strategy_of_stages() -> None:
    assert parse_strategy("encoder-stages:3") == Strategy("encoder-stages", frozen_stages=3)


@pytest.mark.parametrize(
    "text", ["", "none", "encoder-stages", "encoder-stages:0", "encoder-stages:-1", "head:2"]
)
def test_strategy_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=f"^strategy must be .*not {re.escape(repr(text))}$"):
        parse_strategy(text)


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("dice", (LossTerm(1.0, "dice"),)),
        ("0.5*ce + 0.5*dice", (LossTerm(0.5, "ce"), LossTerm(0.5, "dice"))),
        (" 2 * gdice+.5*ce ", (LossTerm(2.0, "gdice"), LossTerm(0.5, "ce"))),
        ("focal", (LossTerm(1.0, "focal", {"gamma": 2.0}),)),
        ("focal(gamma=3)", (LossTerm(1.0, "focal", {"gamma": 3.0}),)),
        ("tversky(beta=0.9)", (LossTerm(1.0, "tversky", {"alpha": 0.3, "beta": 0.9}),)),
        (
            "0.1*tversky( alpha = 0.2 , beta=0.8 ) + lovasz",
            (LossTerm(0.1, "tversky", {"alpha": 0.2, "beta": 0.8}), LossTerm(1.0, "lovasz")),
        ),
        ("wce + wdice", (LossTerm(1.0, "wce"), LossTerm(1.0, "wdice"))),
    ],
)
def test_loss(text: str, terms: tuple[LossTerm, ...]) -> None:
    assert parse_loss(text) == terms


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not a loss"),
        ("ce +", "'' is not a loss"),
        ("ce dice", "'ce dice' is not a loss"),
        ("jaccard", "'jaccard' is not a loss.*lovasz"),
        ("ce*0.5", "is not a loss"),
        ("-1*ce", "is not a loss"),
        ("ce - dice", "is not a loss"),
        ("1e-3*ce", "is not a loss"),
        ("0*ce", "weight of ce must be above 0"),
        ("1.2.3*ce", "'1.2.3' in .* is not a number"),
        ("ce(gamma=2)", "ce has no argument 'gamma'; possible arguments: none"),
        ("focal(alpha=2)", "focal has no argument 'alpha'; possible arguments: gamma"),
        ("focal(3)", "'3' in 'focal.3.': write name=number"),
        ("focal(gamma=x)", "'x' in .* is not a number"),
        ("focal(gamma=)", "'' in .* is not a number"),
    ],
)
def test_loss_that_is_none(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_loss(text)


def test_defaults_of_a_loss_are_not_shared() -> None:
    parse_loss("focal(gamma=5)")
    assert LOSSES["focal"] == {"gamma": 2.0}
    assert parse_loss("focal")[0].arguments is not LOSSES["focal"]


@pytest.mark.parametrize("text", ["none", "inverse", "sqrt", "rank"])
def test_class_weights_by_name(text: str) -> None:
    assert parse_class_weights(text) == text


def test_class_weights_as_numbers() -> None:
    assert parse_class_weights("0.2, 1,3") == (0.2, 1.0, 3.0)
    assert parse_class_weights("0,1") == (0.0, 1.0)


@pytest.mark.parametrize("text", ["", "1", "0,0", "1,-1", "1,x", "1,,2", "rare"])
def test_class_weights_that_are_none(text: str) -> None:
    with pytest.raises(ValueError, match=f"^class weights must be .*not {re.escape(repr(text))}$"):
        parse_class_weights(text)


@pytest.mark.parametrize(
    ("text", "plan"),
    [
        ("pinned", SplitPlan()),
        ("80/20", SplitPlan(fractions=(0.8, 0.2, 0.0))),
        ("70/15/15", SplitPlan(fractions=(0.7, 0.15, 0.15))),
        ("fold:1/4", SplitPlan(fold=1, folds=4)),
        ("fold:4/4", SplitPlan(fold=4, folds=4)),
    ],
)
def test_split(text: str, plan: SplitPlan) -> None:
    assert parse_split(text) == plan


@pytest.mark.parametrize("text", ["80/10", "100/0", "0/100", "50/60"])
def test_split_whose_shares_do_not_add_up(text: str) -> None:
    with pytest.raises(ValueError, match=f"parts of {text!r} must add up to 100"):
        parse_split(text)


@pytest.mark.parametrize(
    "text", ["", "80", "70/10/10/10", "0.8/0.2", "fold:0/4", "fold:5/4", "fold:1/1", "fold:1"]
)
def test_split_that_is_none(text: str) -> None:
    with pytest.raises(ValueError, match=f"^split must be .*not {re.escape(repr(text))}$"):
        parse_split(text)


@pytest.mark.parametrize(
    ("field", "text"),
    [
        ("resize", "half"),
        ("fit", "whole"),
        ("strategy", "encoder"),
        ("loss", "jaccard"),
        ("class_weights", "rare"),
        ("augment", "heavy"),
        ("split", "half"),
    ],
)
def test_a_configuration_reads_its_texts(field: str, text: str) -> None:
    """Before any work, and the message names what was written."""
    with pytest.raises(ValidationError, match=f"{text!r}") as caught:
        TrainConfig.model_validate({field: text})
    assert caught.value.errors()[0]["loc"] == (field,)


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (parse_class_weights, "1,nan"),
        (parse_class_weights, "1,inf"),
        (parse_loss, "focal(gamma=-1)"),
        (parse_loss, "focal(gamma=nan)"),
        (parse_loss, "tversky(alpha=0, beta=0)"),
        (parse_resize, "spacing:infxinf"),
        (parse_resize, "spacing:1xnan"),
        (parse_resize, "every:²"),
        (parse_fit, "multiple:²"),
        (parse_strategy, "encoder-stages:²"),
    ],
)
def test_numbers_that_make_no_sense_are_refused(parse: Any, text: str) -> None:
    with pytest.raises(ValueError, match=r"must|not|is"):
        parse(text)

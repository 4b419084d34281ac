from __future__ import annotations

import pytest
from pydantic import ValidationError

from napari_retseg.config import AUGMENT_PRESETS, AugmentConfig, parse_augment

NAMES = list(AugmentConfig.model_fields)


@pytest.mark.parametrize("name", ["none", "light", "oct", "strong"])
def test_presets(name: str) -> None:
    assert parse_augment(name) == AUGMENT_PRESETS[name]


def test_oct_is_the_default() -> None:
    assert AUGMENT_PRESETS["oct"] == AugmentConfig()


def test_none_changes_nothing() -> None:
    assert set(AUGMENT_PRESETS["none"].model_dump().values()) == {0}


def test_strong_is_nowhere_weaker_than_oct_and_light_nowhere_stronger() -> None:
    light, oct_, strong = (AUGMENT_PRESETS[n].model_dump() for n in ("light", "oct", "strong"))
    assert all(light[name] <= oct_[name] <= strong[name] for name in NAMES)
    assert sum(oct_[name] < strong[name] for name in NAMES) > 10
    assert sum(light[name] < oct_[name] for name in NAMES) > 3


@pytest.mark.parametrize("preset", list(AUGMENT_PRESETS))
def test_no_preset_turns_the_eye_upside_down(preset: str) -> None:
    assert AUGMENT_PRESETS[preset].vertical_flip == 0


def test_changes_come_after_the_preset() -> None:
    config = parse_augment(" oct , vertical-flip=0.5, ascan_shift = 0.02,flip=0")
    expected = AugmentConfig(vertical_flip=0.5, ascan_shift=0.02, flip=0)
    assert config == expected


@pytest.mark.parametrize("name", NAMES)
def test_every_change_has_a_name(name: str) -> None:
    config = parse_augment(f"none,{name.replace('_', '-')}=0.25")
    changed = {n: value for n, value in config.model_dump().items() if value}
    assert changed == {name: 0.25}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "'' is not an augmentation preset; choose none, light, oct, strong"),
        ("heavy", "'heavy' is not an augmentation preset"),
        ("flip=1", "'flip=1' is not an augmentation preset"),
        ("oct,noise=0.1", "unknown augmentation 'noise'; choose from flip, "),
        ("oct,", "unknown augmentation ''"),
        ("oct,flip", "flip in 'oct,flip': .*number"),
        ("oct,flip=often", "flip in 'oct,flip=often': .*number"),
        ("oct,flip=1.5", "flip in .*less than or equal to 1"),
        ("oct,scale=1", "scale in .*less than 1"),
        ("oct,rotation=-5", "rotation in .*greater than or equal to 0"),
        ("oct,elastic=nan", "elastic in "),
    ],
)
def test_errors(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_augment(text)


def test_a_configuration_refuses_what_it_does_not_know() -> None:
    with pytest.raises(ValidationError, match="Extra inputs"):
        AugmentConfig.model_validate({"noise": 0.1})
    with pytest.raises(ValidationError, match="frozen"):
        AugmentConfig().flip = 1.0  # type: ignore[misc]

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from napari_retseg.config import parse_strategy
from napari_retseg.errors import ModelError
from napari_retseg.models import DESCRIPTION, read_info
from napari_retseg.models.parameter_counts import ParameterCounts

COUNTS = ParameterCounts(
    encoder_stages=(10, 20, 30),
    decoder=40,
    before_output=15,
    output_per_class=3,
    auxiliary=7,
    auxiliary_per_class=2,
)


@pytest.mark.parametrize(
    ("strategy", "trained"),
    [
        ("all", 127),
        ("scratch", 127),
        ("decoder", 67),
        ("head", 20),
        ("last-three", 27),
        ("encoder-stages:2", 97),
    ],
)
def test_each_strategy_trains_its_parts(strategy: str, trained: int) -> None:
    found = COUNTS.count(parse_strategy(strategy), n_outputs=4, auxiliary=True)
    assert found == (trained, 127 - trained)


def test_without_the_auxiliary_head_its_parameters_do_not_count() -> None:
    assert COUNTS.count(parse_strategy("head"), n_outputs=4, auxiliary=False) == (12, 100)


@pytest.mark.parametrize(
    "wrong",
    [
        {"decoder": -1},
        {"decoder": 2**40 + 1},
        {"output_per_class": 1.5},
        {"encoder_stages": [1] * 65},
        {"encoder_stages": "many"},
        {"before_output": 10**9},
        {"unknown": 1},
    ],
)
def test_counts_that_cannot_be_are_refused(tiny_bundle: Path, wrong: dict[str, Any]) -> None:
    content = json.loads((tiny_bundle / DESCRIPTION).read_text())
    content["parameters"] |= wrong
    (tiny_bundle / DESCRIPTION).write_text(json.dumps(content))
    with pytest.raises(ModelError, match="parameters") as caught:
        read_info(tiny_bundle)
    assert "\n" not in str(caught.value)

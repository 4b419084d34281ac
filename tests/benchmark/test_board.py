"""The sets of a scoreboard: what a file may say."""

from __future__ import annotations

from pathlib import Path

import pytest

from napari_retseg.benchmark import read_board
from napari_retseg.benchmark.board import SimulatedSet, make_stem
from napari_retseg.errors import InputError
from napari_retseg.simulate import draw_parameters

_SET = "sets: [{name: A, kind: simulated, seed: 1%s}]"


def test_the_standard_sets_have_devices_that_training_does_not_draw() -> None:
    sets = {one.name: one for one in read_board().sets}
    assert len({make_stem(one.name) for one in sets.values()}) == len(sets) == 12
    swept = sets["simulated healthy, averaged swept source"]
    assert isinstance(swept, SimulatedSet)
    drawn = draw_parameters(swept.make_config(), swept.seed, 0)
    assert drawn.optics.looks > 60
    assert not drawn.disease.ill


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("sets: []", "sets"),
        (_SET % ", ranges: {disease: {unheard: 1}}", "unheard"),
        (_SET % ", eyes: 0", "eyes"),
        ("a word", "expected names with values"),
        ("sets: [{name: a/b, kind: simulated, seed: 1}]", "name"),
        (
            "sets: [{name: a-b, kind: simulated, seed: 1}, {name: A b, kind: device, data: x}]",
            "a-b",
        ),
    ],
)
def test_what_makes_no_sense_is_named(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "board.yaml"
    path.write_text(text)
    with pytest.raises(InputError, match=rf"board\.yaml.*{word}"):
        read_board(path)


@pytest.mark.parametrize("name", ["../up", "/etc/x", "..", "a\x1b[2Jb", "a/../../b"])
def test_a_name_is_never_a_path(name: str) -> None:
    stem = make_stem(name)
    assert Path(stem).name == stem
    assert stem.isprintable()

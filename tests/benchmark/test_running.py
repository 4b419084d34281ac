"""A scoreboard of real files: scores as `evaluate` has them, made once, and its table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_retseg.benchmark import Board, format_board, format_classes, run_board
from napari_retseg.benchmark.board import LabelledSet, SecondGrader
from napari_retseg.config import PredictConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError
from napari_retseg.events import CancelToken, Event, Finished, Message
from napari_retseg.infer.evaluate import evaluate
from napari_retseg.infer.predict import load_predictor
from napari_retseg.infer.predictor import Predictor

_BOARD = Board.model_validate(
    {
        "sets": [
            {"kind": "labels", "name": "third patient", "data": "data", "groups": ["P3"]},
            {"kind": "labels", "name": "not there", "data": "nowhere"},
            {
                "kind": "labels",
                "name": "both",
                "data": "data",
                "second": {"labels": "data/labels"},
                "axial_um": 4.0,
            },
        ]
    }
)


@pytest.fixture
def predictor(tiny_bundle: Path) -> Predictor:
    return load_predictor(tiny_bundle, PredictConfig(device="cpu"))


def _run(predictor: Predictor, root: Path, board: Board = _BOARD) -> list[Event]:
    return list(run_board(board, root, predictor, root / "scores", CancelToken()))


def _result(events: list[Event]) -> dict[str, Any]:
    assert isinstance(events[-1], Finished)
    return events[-1].result


def test_the_scores_are_those_of_evaluate(
    tiny_dataset: Path, tmp_path: Path, predictor: Predictor
) -> None:
    events = _run(predictor, tmp_path)
    sets = _result(events)["sets"]
    assert list(sets) == ["third patient", "both"]
    assert any(isinstance(e, Message) and "not there is left out" in e.text for e in events)
    wanted = _result(list(evaluate(predictor, load_dataset(tiny_dataset))))
    for name, row in sets["third patient"]["classes"].items():
        assert row["dice"] == pytest.approx(wanted["classes"][name]["dice"], abs=1e-4)
        assert row["iou"] == pytest.approx(wanted["classes"][name]["iou"], abs=1e-4)
        of_bscans = [one["classes"][name] for one in wanted["bscans"]]
        dice = [one["dice"] for one in of_bscans if one["reference_pixels"]]
        assert row["dice_of_bscans"] == pytest.approx(np.mean(dice), abs=1e-4)
    assert sets["third patient"]["groups"]["P3"]["classes"] == sets["third patient"]["classes"]
    # the same labels again are a grader who agrees with everything
    assert {row["dice"] for row in sets["both"]["second"]["classes"].values()} == {1.0}
    assert sets["both"]["n_groups"] == 3


def test_half_of_the_patients_and_some_of_the_classes_are_scored(
    tiny_dataset: Path, tmp_path: Path, predictor: Predictor
) -> None:
    one = LabelledSet(kind="labels", name="half", data="data", half="first", classes=("fluid",))
    whole = LabelledSet(kind="labels", name="whole", data="data", groups=("P1", "P3"))
    sets = _result(_run(predictor, tmp_path, Board(sets=(one, whole))))["sets"]
    assert set(sets["half"]["groups"]) == {"P1", "P3"}
    assert list(sets["half"]["classes"]) == ["fluid"]
    assert sets["half"]["classes"]["fluid"] == sets["whole"]["classes"]["fluid"]


def test_a_set_is_scored_again_only_where_something_changed(
    tiny_dataset: Path, tmp_path: Path, predictor: Predictor, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = _result(_run(predictor, tmp_path))["sets"]
    with monkeypatch.context() as patch:
        patch.setattr(Predictor, "label_scan", None)
        assert _result(_run(predictor, tmp_path))["sets"] == first
    label = tiny_dataset / "labels" / "P1_B0.png"
    Image.fromarray(np.zeros((64, 64), np.uint8)).save(label)
    again = _result(_run(predictor, tmp_path))["sets"]
    assert again["third patient"] == first["third patient"]
    assert again["both"]["classes"] != first["both"]["classes"]


def test_what_cannot_be_scored_is_one_line(
    tiny_dataset: Path, tmp_path: Path, predictor: Predictor
) -> None:
    with pytest.raises(InputError, match="none of the data"):
        _run(predictor, tmp_path / "elsewhere")
    path = tiny_dataset / "dataset.json"
    text = path.read_text()
    for name in predictor.info.classes.names[1:]:
        text = text.replace(f'"{name}"', f'"other {name}"')
    path.write_text(text)
    with pytest.raises(InputError, match="no class in common"):
        _run(predictor, tmp_path)


def test_the_tables_have_a_row_for_each_set_patient_and_grader(
    tiny_dataset: Path, tmp_path: Path, predictor: Predictor
) -> None:
    second = SecondGrader(labels=f"{tiny_dataset.name}/labels")
    board = Board(
        sets=(LabelledSet(kind="labels", name="both", data=tiny_dataset.name, second=second),)
    )
    result = _result(_run(predictor, tmp_path, board))
    rows = format_board([result, {**result, "model": "other"}]).splitlines()
    assert [row.split(" | ")[2] for row in rows[2:]] == ["tiny", "other", "second grader"]
    assert len({row.count("|") for row in rows}) == 1
    exports = {"exports": {"eye": {"retina, um": 2.5, "retina to BM, um": 3, "impossible": 0}}}
    exports["exports"]["eye"]["bscans"] = 49
    table = format_board([{**result, "sets": {**result["sets"], "exports": exports}}])
    assert "| eye | tiny | 2.5 | 3.0 | 0 of 49 |" in table
    classes = format_classes(result).splitlines()
    names = [row.split(" | ")[0].lstrip("| ") for row in classes[2:]]
    assert names == ["both", "both: P1", "both: P2", "both: P3", "both: second grader"]

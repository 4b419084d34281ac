"""Sets that several processes score at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from napari_retseg.benchmark import Board, run_board
from napari_retseg.cli.benchmark_batch import ScoreSetJob, benchmark_side_by_side
from napari_retseg.config import PredictConfig
from napari_retseg.errors import JobError
from napari_retseg.events import CancelToken, Finished, Message
from napari_retseg.infer.predict import load_predictor

_CONFIG = PredictConfig(device="cpu")
_NAMES = ("third patient", "both", "first patient")
_BOARD = Board.model_validate(
    {
        "sets": [
            {"kind": "labels", "name": "third patient", "data": "data", "groups": ["P3"]},
            {"kind": "labels", "name": "not there", "data": "nowhere"},
            {"kind": "labels", "name": "both", "data": "data", "axial_um": 4.0},
            {"kind": "labels", "name": "first patient", "data": "data", "groups": ["P1"]},
        ]
    }
)


def _untimed(result: dict[str, Any]) -> dict[str, Any]:
    sets = {
        name: {key: value for key, value in row.items() if key != "seconds"}
        for name, row in result["sets"].items()
    }
    return {**result, "megabytes": 0, "sets": sets}


@pytest.mark.slow
@pytest.mark.usefixtures("tiny_dataset")
def test_scores_are_those_of_one_process(
    tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the same order, and what is there already is not scored again."""
    predictor = load_predictor(tiny_bundle, _CONFIG)
    *_, alone = run_board(_BOARD, tmp_path, predictor, tmp_path / "alone", CancelToken())

    def score(workers: int) -> list[Any]:
        return list(
            benchmark_side_by_side(
                _BOARD,
                tmp_path,
                str(tiny_bundle),
                tmp_path / "beside",
                CancelToken(),
                config=_CONFIG,
                workers=workers,
            )
        )

    events = score(2)
    assert any(isinstance(e, Message) and "not there is left out" in e.text for e in events)
    assert isinstance(alone, Finished)
    assert tuple(events[-1].result["sets"]) == _NAMES
    assert _untimed(events[-1].result) == _untimed(alone.result)
    monkeypatch.setattr(ScoreSetJob, "run", None)
    assert score(1)[-1].result["sets"] == events[-1].result["sets"]


@pytest.mark.usefixtures("tiny_dataset")
def test_a_set_that_cannot_be_scored_is_named(tiny_bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "data" / "dataset.json"
    text = path.read_text()
    for name in ("upper", "lower", "fluid"):
        text = text.replace(f'"{name}"', f'"other {name}"')
    path.write_text(text)
    with pytest.raises(JobError, match=r"third patient: .*no class in common"):
        list(
            benchmark_side_by_side(
                _BOARD,
                tmp_path,
                str(tiny_bundle),
                tmp_path / "scores",
                CancelToken(),
                config=_CONFIG,
            )
        )


@pytest.mark.usefixtures("tiny_dataset")
def test_a_stop_keeps_the_sets_that_are_done(tiny_bundle: Path, tmp_path: Path) -> None:
    cancel = CancelToken()
    events = benchmark_side_by_side(
        _BOARD, tmp_path, str(tiny_bundle), tmp_path / "scores", cancel, config=_CONFIG
    )
    last = None
    for last in events:
        if not isinstance(last, (Message, Finished)):
            cancel.cancel()
    assert isinstance(last, Finished)
    assert last.cancelled
    assert [path.stem for path in (tmp_path / "scores/sets").rglob("*.json")] == ["third-patient"]

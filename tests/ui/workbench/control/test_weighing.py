"""Evidence for editing: asked of the engine, kept for the open scan, never waited for."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.engine import EvidenceJob
from napari_retseg.events import EvidenceFound
from napari_retseg.ui.workbench.control.weighing import Weighing
from tests.ui.workbench.playedbench import PlayedBench


@pytest.fixture
def played(tmp_path: Path, volume: Path, own_models: Path) -> Iterator[PlayedBench]:
    made = PlayedBench()
    made.start(tmp_path / "work", volume)
    yield made
    made.close()


@pytest.fixture
def weighing(played: PlayedBench) -> Weighing:
    return played.bench.weighing


def answer(played: PlayedBench) -> None:
    """Answer for the B-scan that was asked for last."""
    probabilities = np.full((4, 32, 48), 0.25, np.float16)
    played.job.on_event(EvidenceFound(0, probabilities, (2.0, 0.5), (2.0, 0.5)))
    played.job.end()
    played.settle()


def test_the_bscan_in_view_comes_first_and_then_its_neighbours(
    played: PlayedBench, weighing: Weighing
) -> None:
    came: list[int] = []
    weighing.arrived.connect(came.append)
    before = len(played.engine.jobs)
    weighing.want(2)
    assert weighing.of(2) is None
    assert len(played.engine.jobs) == before + 1
    job = played.job.job
    assert isinstance(job, EvidenceJob)
    assert job.scan.spatial_shape == (64, 96)
    for _ in range(3):
        answer(played)
    assert came == [2, 3, 1]
    found = weighing.of(2)
    assert found is not None
    assert found.probability("upper", (64, 96)).shape == (64, 96)
    weighing.want(2)
    assert len(played.engine.jobs) == before + 3


def test_what_was_wanted_before_gives_way(played: PlayedBench, weighing: Weighing) -> None:
    weighing.want(0)
    weighing.want(4)
    came: list[int] = []
    weighing.arrived.connect(came.append)
    for _ in range(3):
        answer(played)
    assert came == [0, 4, 3]


def test_another_model_or_scan_forgets_all(played: PlayedBench, weighing: Weighing) -> None:
    weighing.want(1)
    running = played.job
    played.state.model = -1
    assert weighing.of(1) is None
    answer(played)
    assert weighing.of(1) is None
    assert running.is_cancelled
    played.bench.predicting.choose_by_name("tiny")
    weighing.want(1, beside=0)
    answer(played)
    assert weighing.of(1) is not None
    played.bench.navigation.close_scan()
    assert weighing.of(1) is None


def test_a_failure_is_no_reason_to_stop_editing(played: PlayedBench, weighing: Weighing) -> None:
    weighing.want(1)
    notice = played.state.notice
    played.job.end("failed", "the worker process died")
    played.settle()
    assert weighing.of(1) is None
    assert played.state.notice == notice
    weighing.want(1, beside=0)
    answer(played)
    assert weighing.of(1) is not None

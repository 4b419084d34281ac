"""The gate: a new model takes the old one's place only if it is not worse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from napari_retseg.classes import LabelSet
from napari_retseg.config import PredictConfig, TrainConfig
from napari_retseg.dataset import BscanState, load_dataset, pin_split
from napari_retseg.events import Event, Finished, Message, Scored
from napari_retseg.infer.predictor import Predictor
from napari_retseg.io import write_labels
from napari_retseg.learn.gate import count_kept
from napari_retseg.learn.train import fine_tune
from napari_retseg.nets.bundle import load_model
from napari_retseg.rounds.verdict import read_verdict
from napari_retseg.scores import ScoreCounter, confusion_matrix

CONFIG = TrainConfig(
    iterations=40,
    batch_size=4,
    score_every=40,
    device="cpu",
    precision="fp32",
    lr=5e-3,
    ema=0.9,
    augment="none",
)


def train(dataset: Path, output: Path, start: Path, **options: Any) -> list[Event]:
    config = CONFIG.model_copy(update=options)
    return list(fine_tune(load_dataset(dataset), config, output=output, start=start))


@pytest.fixture
def good_model(tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path) -> Path:
    train(tiny_dataset, tmp_path / "first", tiny_bundle)
    return tmp_path / "first" / "model"


def verdict(events: list[Event]) -> tuple[Any, str]:
    finished = events[-1]
    assert isinstance(finished, Finished)
    texts = [e.text for e in events if isinstance(e, Message) and "promoted" in e.text]
    assert len(texts) == 1
    return finished.result["promoted"], texts[0]


def test_a_better_model_is_promoted(tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    promoted, text = verdict(train(tiny_dataset, tmp_path / "run", tiny_bundle))
    assert promoted is True
    assert text.startswith("promoted: mean foreground Dice 0.")
    info = load_model(tmp_path / "run" / "model").info
    assert info.promoted is True
    assert info.scores is not None
    assert info.start_scores is not None
    before, after = info.start_scores["mean_foreground_dice"], info.mean_dice
    assert before is not None
    assert after is not None
    assert after > before


def test_a_worse_model_is_not_and_both_are_kept(
    tiny_dataset: Path, good_model: Path, tmp_path: Path
) -> None:
    before = load_model(good_model).info
    events = train(tiny_dataset, tmp_path / "run", good_model, iterations=3, lr=30.0, ema=0.0)
    promoted, text = verdict(events)
    assert promoted is False
    assert "the starting model stays" in text
    worse = load_model(tmp_path / "run" / "model").info
    assert worse.promoted is False
    assert worse.start_scores == before.scores
    assert load_model(good_model).info == before


def test_the_starting_model_is_scored_first_and_stays_in_the_table(
    tiny_dataset: Path, good_model: Path, tmp_path: Path
) -> None:
    events = train(tiny_dataset, tmp_path / "run", good_model, iterations=1)
    first = next(e for e in events if isinstance(e, Scored))
    assert first.iteration == 0
    assert first.scores == load_model(good_model).info.scores
    lines = (tmp_path / "run" / "metrics.csv").read_text().splitlines()
    assert lines[1].startswith("0,")


def test_replaced_layers_do_not_spoil_the_starting_models_scores(
    tiny_dataset: Path, good_model: Path, tmp_path: Path
) -> None:
    events = train(tiny_dataset, tmp_path / "run", good_model, iterations=1, strategy="last-three")
    first = next(e for e in events if isinstance(e, Scored))
    assert first.scores == load_model(good_model).info.scores
    assert verdict(events)[0] is False


def test_without_a_starting_model_there_is_no_verdict(tiny_dataset: Path, tmp_path: Path) -> None:
    config = CONFIG.model_copy(update={"iterations": 1, "encoder": "tu-test_resnet"})
    events = list(fine_tune(load_dataset(tiny_dataset), config, output=tmp_path / "run"))
    finished = events[-1]
    assert isinstance(finished, Finished)
    assert finished.result["promoted"] is None
    assert load_model(tmp_path / "run" / "model").info.promoted is None


def test_a_starting_model_that_is_scored_on_its_own_predictions_is_told_of(
    tiny_dataset: Path, good_model: Path, tmp_path: Path
) -> None:
    dataset = load_dataset(tiny_dataset)
    heldout = dataset.of_split("val")
    accepted = heldout[0]
    assert accepted.label is not None
    scan = accepted.read_scan()
    model = load_model(good_model)
    predictor = Predictor(model.network, model.info, PredictConfig(device="cpu", precision="fp32"))
    ((_, found),) = predictor.label_scan(scan, [0])
    write_labels(accepted.label, dataset.labels.values[found.labels], scan=scan)
    events = train(tiny_dataset, tmp_path / "run", good_model, iterations=2, score_every=2)
    warnings = [e.text for e in events if isinstance(e, Message) and e.level == "warning"]
    words = f"1 of {len(heldout)} held-out B-scans are unchanged predictions of the starting model"
    assert any(text.startswith(words) for text in warnings)
    assert any(
        "accepted without corrections" in text for text in read_verdict(tmp_path / "run").remarks
    )


@pytest.mark.parametrize(("rows", "counts"), [(4, True), (5, True), (8, False)])
def test_labels_began_as_a_prediction_where_they_agree_with_it_by_0_85(
    tiny_dataset: Path, rows: int, counts: bool
) -> None:
    """Twelve strokes on a B-scan leave a Dice of 0.9; those are still light corrections."""
    pinned = pin_split(load_dataset(tiny_dataset))
    state = BscanState(state="confirmed", model="a" * 64)
    cases = [case.model_copy(update={"bscans": {0: state}}) for case in pinned.of_split("val")]
    dataset = pinned.model_copy(update={"cases": tuple(cases)})
    predicted = np.zeros((20, 20), np.uint8)
    predicted[:, :10] = 1
    corrected = predicted.copy()
    corrected[:rows, :10] = 0  # Dice 2 (20 - rows) / (40 - rows): 0.889, 0.857, 0.75
    counter = ScoreCounter(LabelSet.from_names(["layer"]))
    for case in cases:
        matrix = confusion_matrix(corrected, predicted, 2)
        counter.add(matrix, name=case.name, group=case.group)
    scored = counter.scores().bscans
    assert count_kept(dataset, scored, "a" * 64) == (len(cases) if counts else 0)
    assert count_kept(dataset, scored, "b" * 64) == 0


def test_labels_made_from_the_old_models_prediction_are_counted(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    """A new model that differs by a pixel looks worse on them; that is no verdict."""
    model = load_model(tiny_bundle)
    predictor = Predictor(model.network, model.info, PredictConfig(device="cpu"))
    pinned = pin_split(load_dataset(tiny_dataset))
    cases = []
    for case in pinned.cases:
        if case.split == "val" and case.label is not None:
            ((_, found),) = predictor.label_scan(case.read_scan(), [0])
            plane = model.info.classes.values[found.labels]
            plane[:2, :2] = 1  # a light correction
            Image.fromarray(plane).save(case.label)
            state = BscanState(state="confirmed", model=model.info.weights_id)
            cases.append(case.model_copy(update={"bscans": {0: state}}))
        else:
            cases.append(case)
    dataset = pinned.model_copy(update={"cases": tuple(cases)})
    config = TrainConfig(
        iterations=2, batch_size=2, device="cpu", precision="fp32", lr=1.0, keep_start=0
    )
    events = list(fine_tune(dataset, config, output=tmp_path / "run", start=tiny_bundle))
    first = next(event for event in events if isinstance(event, Scored))
    assert first.scores["n_kept"] == first.scores["n_bscans"]
    assert isinstance(events[-1], Finished)
    assert events[-1].result["promoted"] is None
    assert any(isinstance(e, Message) and e.text.startswith("undecided") for e in events)
    unknown = dataset.model_copy(update={"cases": pinned.cases})  # nobody says where they are from
    events = list(fine_tune(unknown, config, output=tmp_path / "other", start=tiny_bundle))
    assert isinstance(events[-1], Finished)
    assert events[-1].result["promoted"] is False

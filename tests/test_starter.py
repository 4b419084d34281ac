from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_retseg import __version__, starter
from napari_retseg.classes import RETINA
from napari_retseg.config import PredictConfig
from napari_retseg.dataset import Dataset, load_dataset
from napari_retseg.events import Finished
from napari_retseg.infer.evaluate import evaluate
from napari_retseg.infer.predict import load_predictor, predict_labels
from napari_retseg.io import read_labels, read_scan
from napari_retseg.measures import Widener
from napari_retseg.measures.calibrating import match, measure_both
from napari_retseg.models import CARD, WEIGHTS, find_model, read_info, read_intervals, read_retest
from napari_retseg.models.card import write_card
from napari_retseg.samples import sample_folder
from napari_retseg.simulate import SimulatorConfig, draw_volume, make_device_config


def test_the_starter_ships_small_and_says_that_it_is_simulated() -> None:
    folder = find_model("starter")
    assert folder == sample_folder() / "starter"
    assert (folder / WEIGHTS).stat().st_size < 15_000_000
    info = read_info(folder)
    assert info.classes == RETINA
    assert info.trained_on is not None
    assert info.trained_on.simulated
    assert info.measured
    assert info.network == starter.NETWORK
    assert info.preprocess == starter.PREPROCESS


def test_the_starter_is_calibrated_on_eyes_that_it_was_not_trained_on() -> None:
    found = read_intervals(find_model("starter"))
    assert found is not None
    assert found.groups == starter.CALIBRATION_EYES + starter.CALIBRATION_EYES // 3
    assert str(found.groups) in found.data
    # seeds of its training are small
    assert starter.CALIBRATION_SEED > starter.PARTS
    assert 5 < found.bounds["CST"]["retina"]["C0"] < 40


def test_errors_of_simulated_eyes_are_collected_again_from_their_seed() -> None:
    """One eye and one circle give the errors that nine like them make the bound of."""
    size = {"size": (128, 96)}
    macula = starter.make_macula_config().model_copy(update={**size, "n_bscans": 3})
    ring = starter.make_ring_config().model_copy(update=size)
    folder = find_model("starter")
    for config, region in ((macula, "B-scan"), (ring, "arc")):
        one, again = (starter.collect_errors(folder, config, 5, [2]) for _ in range(2))
        assert one.groups == again.groups == {"5-2"}
        found, same = (each.finish(weights_id="", data="", level=0.4) for each in (one, again))
        assert found == same
        assert region in found.bounds["mean thickness"]["NFL"]


def test_how_well_its_numbers_repeat_is_known_from_eyes_that_chose_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    folder = find_model("starter")
    found = read_retest(folder)
    assert found is not None
    assert 0.9 * starter.RETEST_EYES < found.pairs <= starter.RETEST_EYES
    assert starter.RETEST_SEED > starter.CALIBRATION_SEED + 1
    assert set(found.coefficients["nl"]) == {"fluid"}
    assert 2 < found.coefficients["um"]["retina"]["inner"] < 20
    assert min(found.widening["um"].values()) > 1
    small = starter.make_macula_config((300.0, 450.0), 9).model_copy(update={"size": (128, 96)})
    monkeypatch.setattr(starter, "make_macula_config", lambda *_: small)
    predictor = load_predictor(folder, PredictConfig(device="cpu"))
    (before, after, _), (again, _, _) = (starter.label_twice(predictor, 5, 1) for _ in range(2))
    assert np.array_equal(before.labels, again.labels)
    assert not np.array_equal(before.labels, after.labels)


def test_the_starter_segments_a_simulated_eye_that_it_has_not_seen() -> None:
    """Chance is far below."""
    volume = draw_volume(make_device_config("A", size=(256, 384), n_bscans=2), seed=987654)
    found = predict_labels(volume.scan, "starter", PredictConfig(device="cpu"))
    assert (found == volume.labels).mean() > 0.92
    layers = volume.labels > 0
    assert (found[layers] == volume.labels[layers]).mean() > 0.8


def test_the_starter_segments_the_sample_volume() -> None:
    volumes = sample_folder() / "volumes"
    scan = read_scan(volumes / "device-a.tif")
    reference = read_labels(volumes / "device-a-labels.tif")
    found = predict_labels(scan, "starter", PredictConfig(device="cpu"))
    assert (found[reference > 0] == reference[reference > 0]).mean() > 0.75
    # its intervals hold most numbers of the reference, of an eye that was not in the calibration
    intervals = read_intervals(find_model("starter"))
    assert intervals is not None
    said, right = measure_both(found, reference, RETINA, scan)
    pairs = [
        (one, wanted.value)
        for one, wanted in match(Widener(intervals, scan).widen_all(said), right)
        if one.low is not None and one.high is not None and wanted.value is not None
    ]
    assert len(pairs) > 400
    assert {one.measure for one, _ in pairs} >= {"CST", "mean thickness", "volume", "pockets"}
    within = [(one.low or 0) <= value <= (one.high or 0) for one, value in pairs]
    assert sum(within) / len(within) > 0.7


def test_its_card_and_description_say_what_the_code_says_today() -> None:
    folder = find_model("starter")
    info = read_info(folder)
    assert info.about == starter.ABOUT
    assert (folder / CARD).read_text() == write_card(info, version=__version__)


def test_the_starter_segments_real_scans_as_its_card_says(shared_data: Path) -> None:
    """The numbers in the card are of these scans, which had no part in its training."""
    dataset = load_dataset(shared_data / "chiu2015")
    cases = tuple(
        case.model_copy(update={"split": "val"})
        for case in dataset.cases
        if case.group not in ("S01", "S02")
    )
    heldout = dataset.model_copy(update={"cases": cases})
    last = list(evaluate("starter", heldout, config=PredictConfig(device="cpu")))[-1]
    assert isinstance(last, Finished)
    (card,) = read_info(find_model("starter")).measured
    found = {name: last.result["classes"][name]["dice"] for name in card.dice}
    assert found == pytest.approx(card.dice, abs=0.005)
    assert np.mean([dice for name, dice in found.items() if name != "fluid"]) > 0.8
    assert found["fluid"] > 0.57


@pytest.fixture(scope="module")
def eyes(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """Ten simulated eyes to train on and two held out, of small scans."""
    kinds = tuple(
        sampling.model_copy(update={"depths": (64,), "widths": (width,)})
        for sampling, width in zip(SimulatorConfig().samplings, (64, 80, 96, 112, 128), strict=True)
    )
    folder = tmp_path_factory.mktemp("eyes") / "data"
    config = SimulatorConfig(samplings=kinds)
    return starter.simulate_eyes(folder, config, parts=2, eyes=6, held_out=1)


def test_training_data_hold_many_kinds_and_no_eye_twice(eyes: Dataset) -> None:
    assert len(eyes.groups("train")) == 10
    assert len(eyes.groups("val")) == 2
    assert not {*eyes.groups("train")} & {*eyes.groups("val")}
    pixels = [case.read_scan().pixels for case in eyes.cases]
    assert len({one.shape for one in pixels}) > 1
    assert len({one.tobytes() for one in pixels}) == 12
    assert np.unique([case.read_labels(RETINA).max() for case in eyes.cases]).max() <= 8


def test_training_a_starter_ends_with_a_bundle_in_half_precision(
    eyes: Dataset, tmp_path: Path
) -> None:
    training = starter.TRAINING.model_copy(
        update={"iterations": 2, "score_every": 2, "batch_size": 2, "device": "cpu"}
    )
    info = starter.train_starter(eyes, tmp_path / "starter", tmp_path / "work", training)
    assert read_info(tmp_path / "starter") == info
    assert info.parent is None
    assert info.trained_on is not None
    assert info.trained_on.simulated
    assert info.trained_on.bscans == 10
    assert (tmp_path / "starter" / WEIGHTS).stat().st_size < 15_000_000
    found = predict_labels(eyes.cases[0].read_scan(), tmp_path / "starter", PredictConfig())
    assert found.shape == eyes.cases[0].read_scan().spatial_shape

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_retseg import __version__
from napari_retseg.benchmark import read_board, run_board
from napari_retseg.classes import IGNORE, RETINA, RETINA_AND_LESIONS, LabelSet
from napari_retseg.config import PredictConfig
from napari_retseg.dataset import Case, Dataset, choose_half, load_dataset, save_dataset
from napari_retseg.errors import InputError
from napari_retseg.events import CancelToken, Finished
from napari_retseg.infer.predict import load_predictor, predict_labels
from napari_retseg.io import read_labels, read_scan, write_labels
from napari_retseg.layers import translate_classes
from napari_retseg.measures import Widener
from napari_retseg.measures.calibrating import match, measure_both
from napari_retseg.models import CARD, WEIGHTS, find_model, read_info, read_intervals, read_retest
from napari_retseg.models.card import write_card
from napari_retseg.samples import sample_folder
from napari_retseg.simulate import SimulatorConfig, draw_volume, make_device_config
from napari_retseg.starter import calibrating
from napari_retseg.starter.calibrating import (
    CALIBRATION_EYES,
    CALIBRATION_SEED,
    RETEST_EYES,
    RETEST_SEED,
    collect_errors,
    label_twice,
)
from napari_retseg.starter.eyes import PARTS, make_macula_config, make_ring_config, simulate_eyes
from napari_retseg.starter.lesions import take_outlines
from napari_retseg.starter.training import (
    COARSE,
    FINE,
    NETWORK,
    note_scores,
    save_starter,
    train_stage,
)


def test_the_starter_ships_small_and_says_that_it_is_simulated() -> None:
    folder = find_model("starter")
    assert folder == sample_folder() / "starter"
    assert (folder / WEIGHTS).stat().st_size < 15_000_000
    info = read_info(folder)
    assert info.classes == RETINA_AND_LESIONS
    assert info.trained_on is not None
    assert info.trained_on.simulated
    assert info.parent is None
    assert "CC BY 4.0" in info.about
    assert len(info.measured) > 2
    assert info.network.encoder == NETWORK.encoder
    assert info.preprocess.size == FINE.size


def test_the_starter_is_calibrated_on_eyes_that_it_was_not_trained_on() -> None:
    found = read_intervals(find_model("starter"))
    assert found is not None
    assert found.groups == CALIBRATION_EYES + CALIBRATION_EYES // 3
    assert str(found.groups) in found.data
    # seeds of its training are small
    assert CALIBRATION_SEED > PARTS
    assert 5 < found.bounds["CST"]["retina"]["C0"] < 40


def test_errors_of_simulated_eyes_are_collected_again_from_their_seed() -> None:
    """One eye and one circle give the errors that nine like them make the bound of."""
    size = {"size": (128, 96)}
    macula = make_macula_config().model_copy(update={**size, "n_bscans": 3})
    ring = make_ring_config().model_copy(update=size)
    folder = find_model("starter")
    for config, region in ((macula, "B-scan"), (ring, "arc")):
        one, again = (collect_errors(folder, config, 5, [2]) for _ in range(2))
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
    assert 0.9 * RETEST_EYES < found.pairs <= RETEST_EYES
    assert RETEST_SEED > CALIBRATION_SEED + 1
    assert set(found.coefficients["nl"]) == {"fluid", "IRF", "SRF", "sub-RPE"}
    assert 2 < found.coefficients["um"]["retina"]["inner"] < 20
    assert min(found.widening["um"].values()) > 1
    small = make_macula_config((300.0, 450.0), 9).model_copy(update={"size": (128, 96)})
    monkeypatch.setattr(calibrating, "make_macula_config", lambda *_: small)
    predictor = load_predictor(folder, PredictConfig(device="cpu"))
    (before, after, _), (again, _, _) = (label_twice(predictor, 5, 1) for _ in range(2))
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
    found = translate_classes(RETINA, RETINA_AND_LESIONS)[found]
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
    assert (folder / CARD).read_text() == write_card(info, version=__version__)


def test_the_starter_segments_real_scans_as_its_card_says(
    shared_data: Path, tmp_path: Path
) -> None:
    """The numbers in the card are of these scans, which had no part in its training."""
    predictor = load_predictor(find_model("starter"), PredictConfig(device="cpu"))
    name = "Chiu S03-S08"
    board = read_board()
    sets = tuple(one for one in board.sets if one.name == name)
    board = board.model_copy(update={"sets": sets})
    last = list(run_board(board, shared_data, predictor, tmp_path, CancelToken()))[-1]
    assert isinstance(last, Finished)
    (card,) = (one for one in predictor.info.measured if one.data.startswith(name))
    found = {one: row["dice"] for one, row in last.result["sets"][name]["classes"].items()}
    assert found == pytest.approx(card.dice, abs=0.005)
    assert np.mean([dice for one, dice in found.items() if one != "fluid"]) > 0.8
    assert found["fluid"] > 0.6


def test_scores_of_other_weights_are_not_noted(tmp_path: Path) -> None:
    scores = tmp_path / "scores.json"
    folder = shutil.copytree(find_model("starter"), tmp_path / "copy")
    weights = read_info(folder).weights_id
    row = {"n_bscans": 2, "n_groups": 1, "classes": {"NFL": {"dice": 0.5}}, "groups": {"a": {}}}
    for said in ("others", weights):
        scores.write_text(json.dumps({"weights": said, "sets": {"ours": row, "drawn": {}}}))
        if said != weights:
            with pytest.raises(InputError, match="other weights"):
                note_scores(folder, scores)
    noted = note_scores(folder, scores)
    assert noted.weights_id == weights
    (one,) = read_info(folder).measured
    assert (one.data, one.dice) == ("ours: 2 B-scans of 1 patient", {"NFL": 0.5})
    assert read_intervals(folder) is not None


@pytest.fixture(scope="module")
def small() -> SimulatorConfig:
    """Small scans of many kinds."""
    kinds = tuple(
        sampling.model_copy(update={"depths": (64,), "widths": (width,)})
        for sampling, width in zip(SimulatorConfig().samplings, (64, 80, 96, 112, 128), strict=True)
    )
    return SimulatorConfig(samplings=kinds)


def test_training_data_hold_many_kinds_and_no_eye_twice(
    small: SimulatorConfig, tmp_path: Path
) -> None:
    eyes = simulate_eyes(tmp_path, small, parts=2, eyes=6, held_out=1)
    assert len(eyes.groups("train")) == 10
    assert len(eyes.groups("val")) == 2
    assert not {*eyes.groups("train")} & {*eyes.groups("val")}
    pixels = [case.read_scan().pixels for case in eyes.cases]
    assert len({one.shape for one in pixels}) > 1
    assert len({one.tobytes() for one in pixels}) == 12
    assert np.unique([case.read_labels(RETINA).max() for case in eyes.cases]).max() <= 8


def test_outlines_of_half_of_the_patients_teach_fluid_alone(tmp_path: Path) -> None:
    classes = LabelSet.from_names(["IRF", "SRF", "drusen"])
    source = tmp_path / "source"
    labels = np.zeros((16, 16), np.uint8)
    labels[2:4], labels[5:7], labels[8:10] = 1, 2, 3
    cases = []
    for k, group in enumerate("edcba"):
        image, label = (source / kind / f"{group}.png" for kind in ("images", "labels"))
        image.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.full(labels.shape, 20 * k, np.uint8)).save(image)
        label.parent.mkdir(exist_ok=True)
        write_labels(label, labels, scan=read_scan(image), mark="")
        cases.append(Case(image=image, label=label, group=group, split=None))
    save_dataset(Dataset(root=source, name="lesions", labels=classes, cases=tuple(cases)))
    assert choose_half("edcba", "first") == ("a", "c", "e")
    for _ in range(2):  # what is there is made again
        taken = take_outlines(source, tmp_path / "taken")
    assert {case.group for case in taken.cases} == {"a", "c", "e"}
    assert taken.groups("val") == ("a",)
    assert load_dataset(tmp_path / "taken").labels.names == ("background", "IRF", "SRF")
    found = taken.cases[0].read_labels(taken.labels)
    assert [found[row, 0] for row in (0, 2, 5, 8)] == [0, 1, 2, IGNORE]


@pytest.mark.slow
def test_training_a_starter_ends_with_a_bundle_in_half_precision(
    small: SimulatorConfig, tmp_path: Path
) -> None:
    """Both stages, the second with the classes of the lesions and from the first one's weights."""
    update = {"iterations": 2, "score_every": 2, "batch_size": 2, "device": "cpu"}
    model: Path | None = None
    for stage in (COARSE, FINE):
        simulator = small.model_copy(update={"label_set": stage.simulator.label_set})
        few = replace(
            stage,
            simulator=simulator,
            eyes=3,
            held_out=1,
            training=stage.training.model_copy(update=update),
        )
        model = train_stage(few, tmp_path / "work", start=model, parts=2)
        assert train_stage(few, tmp_path / "work", parts=2) == model  # there already
    assert model is not None
    info = save_starter(model, tmp_path / "starter", has_outlines=False)
    assert read_info(tmp_path / "starter") == info
    assert info.parent is None
    assert info.classes == RETINA_AND_LESIONS
    assert info.preprocess.size == (512, 384)
    assert info.trained_on is not None
    assert info.trained_on.simulated
    assert info.trained_on.bscans == 4
    assert "Kermany" not in info.about
    assert (tmp_path / "starter" / WEIGHTS).stat().st_size < 15_000_000
    scan = draw_volume(small, 1, 0).scan
    assert predict_labels(scan, tmp_path / "starter", PredictConfig()).shape == scan.spatial_shape

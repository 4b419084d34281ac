"""Models by name and folder, and predictions on the image's own grid."""

from __future__ import annotations

import signal
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import napari_retseg as rs
from napari_retseg.errors import InputError, ModelError, RetsegError, UsageError
from napari_retseg.infer.predict import predict_labels
from napari_retseg.io import write_scan
from tests.conftest import check_line


def test_the_labels_are_those_of_the_engine(model: rs.Model, volume: np.ndarray) -> None:
    labels = model.predict(volume, progress=False)
    assert labels.dtype == np.uint8
    assert labels.shape == volume.shape
    assert np.array_equal(labels, predict_labels(rs.read_scan(volume), model))


def test_text_a_path_an_array_a_tensor_and_a_scan_get_the_same_labels(
    model: rs.Model, tmp_path: Path, volume: np.ndarray
) -> None:
    path = write_scan(tmp_path / "scan.tif", rs.read_scan(volume))
    wanted = model.predict(volume, progress=False)
    for image in (str(path), path, torch.from_numpy(volume), rs.read_scan(path)):
        assert np.array_equal(model.predict(image, progress=False), wanted)


def test_a_bscan_gets_two_axes(model: rs.Model, volume: np.ndarray) -> None:
    labels = model.predict(volume[0], progress=False)
    assert labels.shape == (64, 64)


def test_classes_name_every_value_that_is_predicted(model: rs.Model, volume: np.ndarray) -> None:
    assert model.classes == {0: "background", 1: "upper", 2: "lower", 3: "fluid"}
    assert set(np.unique(model.predict(volume, progress=False))) <= set(model.classes)


def test_uncertainty_comes_with_the_same_labels(model: rs.Model, volume: np.ndarray) -> None:
    for chosen in (model, rs.load_model("starter")):
        found = chosen.predict_with_uncertainty(volume, progress=False)
        assert np.array_equal(found.labels, chosen.predict(volume, progress=False))
        assert found.uncertainty.shape == volume.shape
        assert found.scores.shape == (3,)
    # the tiny one was never trained, and is sure of nothing
    assert 0 <= found.uncertainty.min() < 0.1
    assert 0.5 < found.uncertainty.max() <= 1


def test_options_reach_the_prediction(model: rs.Model, volume: np.ndarray) -> None:
    plain = model.predict(volume, progress=False)
    mirrored = model.predict(volume, progress=False, tta=True)
    assert not np.array_equal(plain, mirrored)


def test_a_model_is_named_by_text_a_path_or_itself(model: rs.Model, tiny_bundle: Path) -> None:
    for named in (str(tiny_bundle), tiny_bundle):
        assert rs.load_model(named).info == model.info
    assert rs.load_model(model) is model
    assert rs.load_model("starter").classes[10] == "SRF"
    assert repr(model) == "Model('tiny', 2D, classes: upper, lower, fluid)"


def test_progress_is_shown_unless_it_is_not_wanted(
    model: rs.Model, volume: np.ndarray, capsys: pytest.CaptureFixture[str]
) -> None:
    model.predict(volume)
    assert "3/3" in capsys.readouterr().err
    model.predict(volume, progress=False)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("arguments", "kind", "line"),
    [
        ({"image": ["a.png"]}, UsageError, "list of str"),
        ({"image": "nowhere.png"}, InputError, "nowhere.png"),
        ({"image": np.full((8, 8), np.inf)}, InputError, "infinite"),
        ({"image": np.ones((1, 1, 2, 8, 8))}, InputError, "shape"),
        ({"image": np.ones((3, 1, 8, 8))}, ModelError, "3 channel"),
        ({"image": np.ones((8, 8)), "spacing_um": (1, 2, 3)}, UsageError, "depth, width"),
        ({"image": np.ones((8, 8)), "ttta": True}, UsageError, "did you mean 'tta'?"),
        ({"image": np.ones((8, 8)), "xyzzy": 1}, UsageError, "known are device, "),
        ({"image": np.ones((8, 8)), "overlap": 2}, UsageError, "overlap"),
        ({"image": np.ones((8, 8)), "uncertainty": True}, UsageError, "with_uncertainty"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_what_cannot_be_predicted_is_one_line(
    model: rs.Model, arguments: dict[str, Any], kind: type[RetsegError], line: str
) -> None:
    with pytest.raises(kind) as caught:
        model.predict(**arguments, progress=False)
    assert line in check_line(caught.value)


@pytest.mark.parametrize("wrong", [None, 3, ["starter"], np.ones(3)])
def test_what_names_no_model_is_one_line(wrong: Any) -> None:
    with pytest.raises(UsageError) as caught:
        rs.load_model(wrong)
    check_line(caught.value, "expected a model's name or folder, got ")


def test_an_unknown_model_is_one_line() -> None:
    with pytest.raises(ModelError, match="no model of this name"):
        rs.load_model("nowhere")


class InterruptingImage(np.ndarray[Any, Any]):
    """Grey values that press Ctrl-C when the second B-scan is read."""

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, int) and key == 1:
            signal.raise_signal(signal.SIGINT)
        return np.asarray(super().__getitem__(key))


def test_ctrl_c_stops_after_a_bscan_and_is_raised(model: rs.Model, volume: np.ndarray) -> None:
    before = signal.getsignal(signal.SIGINT)
    scan = rs.OctScan(pixels=volume.view(InterruptingImage), axes=("bscan", "depth", "width"))
    with pytest.raises(KeyboardInterrupt, match="prediction was stopped"):
        model.predict(scan, progress=False)
    assert signal.getsignal(signal.SIGINT) is before
    assert model.predict(volume, progress=False).shape == volume.shape


def test_the_generator_still_takes_what_load_model_gives(
    model: rs.Model, volume: np.ndarray
) -> None:
    from napari_retseg import predict  # not among the names of the door, but kept

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        events = list(predict(rs.read_scan(volume), model))
    assert len(events) == 7

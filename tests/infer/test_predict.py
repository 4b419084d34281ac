from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from napari_retseg.config import PredictConfig
from napari_retseg.errors import InputError, ModelError
from napari_retseg.events import BscanPredicted, CancelToken, Finished, Progress
from napari_retseg.infer.predict import predict, predict_labels
from napari_retseg.models import ModelInfo
from napari_retseg.nets.bundle import Model, load_model, save_model
from napari_retseg.scan import OctScan

CPU = PredictConfig(device="cpu")


@pytest.fixture
def volume(rng: np.random.Generator) -> OctScan:
    pixels = rng.integers(0, 256, (5, 50, 70), dtype=np.uint8)
    return OctScan(pixels, ("bscan", "depth", "width"))


def test_each_bscan_comes_with_its_progress(volume: OctScan, tiny_bundle: Path) -> None:
    events = list(predict(volume, tiny_bundle, CPU))
    assert [e.index for e in events if isinstance(e, BscanPredicted)] == [0, 1, 2, 3, 4]
    assert [e.done for e in events if isinstance(e, Progress)] == [1, 2, 3, 4, 5]
    assert isinstance(events[-1], Finished)
    labels = [e.labels for e in events if isinstance(e, BscanPredicted)]
    assert {(x.shape, x.dtype.name) for x in labels} == {((50, 70), "uint8")}


def test_a_volume_is_its_bscans_one_by_one(volume: OctScan, tiny_bundle: Path) -> None:
    model = load_model(tiny_bundle)
    whole = predict_labels(volume, model, CPU)
    for index, bscan in enumerate(volume.pixels):
        alone = predict_labels(OctScan(bscan, ("depth", "width")), model, CPU)
        assert np.array_equal(whole[index], alone)
    assert len(np.unique(whole)) > 1


def test_chosen_bscans_only(volume: OctScan, tiny_bundle: Path) -> None:
    events = list(predict(volume, tiny_bundle, CPU, bscans=[3, 1]))
    assert [e.index for e in events if isinstance(e, BscanPredicted)] == [3, 1]
    with pytest.raises(InputError, match=r"has 5 B-scans, but no B-scans \[7\]"):
        list(predict(volume, tiny_bundle, CPU, bscans=[7]))


def test_labels_are_class_values_not_indices(
    volume: OctScan, tmp_path: Path, tiny_info: ModelInfo, tiny_bundle: Path
) -> None:
    model = load_model(tiny_bundle)
    names = {0: "background", 10: "upper", 20: "lower", 30: "fluid"}
    classes = type(model.info.classes).from_names(names)
    other = Model(model.info.model_copy(update={"classes": classes}), model.network)
    found = predict_labels(volume, other, CPU)
    assert np.array_equal(found, predict_labels(volume, model, CPU) * 10)
    assert set(np.unique(found)) <= set(names)


def test_a_resized_input_returns_to_the_grid_of_the_scan(
    volume: OctScan, tmp_path: Path, tiny_bundle: Path
) -> None:
    model = load_model(tiny_bundle)
    for change in ({"scale": (1.0, 0.5)}, {"size": (33, 41)}):
        preprocess = model.info.preprocess.model_copy(update=change)
        info = model.info.model_copy(update={"preprocess": preprocess})
        save_model(tmp_path / "other", model.network, info)
        found = predict_labels(volume, tmp_path / "other", CPU)
        assert found.shape == volume.spatial_shape


def test_volumes_that_are_not_oct_go_slice_by_slice(volume: OctScan, tiny_bundle: Path) -> None:
    other = OctScan(volume.pixels, ("z", "y", "x"))
    assert np.array_equal(
        predict_labels(other, tiny_bundle, CPU), predict_labels(volume, tiny_bundle, CPU)
    )


def test_another_channel_count_is_refused(tiny_bundle: Path) -> None:
    scan = OctScan(np.zeros((3, 40, 40), np.uint8), ("channel", "depth", "width"))
    with pytest.raises(ModelError, match=r"has 3 channels, but model tiny needs 1"):
        list(predict(scan, tiny_bundle, CPU))


def test_cancel_is_seen_at_the_next_bscan(volume: OctScan, tiny_bundle: Path) -> None:
    cancel = CancelToken()
    seen = []
    for event in predict(volume, tiny_bundle, CPU, cancel):
        seen.append(event)
        if isinstance(event, BscanPredicted) and event.index == 1:
            cancel.cancel()
    assert seen[-1] == Finished(cancelled=True)
    assert sum(isinstance(e, BscanPredicted) for e in seen) == 2


def test_blank_bscans_are_no_trouble(tiny_bundle: Path) -> None:
    scan = OctScan(np.zeros((1, 8), np.uint8), ("depth", "width"))
    assert predict_labels(scan, tiny_bundle, CPU).shape == (1, 8)

from __future__ import annotations

from pathlib import Path

import pytest

from napari_retseg.dataset import load_dataset
from napari_retseg.demo import CORRECTED_PER_PATIENT, TRAINING, run_demo
from napari_retseg.errors import UsageError
from napari_retseg.events import CancelToken, Finished, Message, StepDone
from napari_retseg.io import read_labels
from napari_retseg.nets.bundle import load_model
from napari_retseg.samples import sample_folder

SHORT = TRAINING.model_copy(update={"iterations": 2, "batch_size": 1, "crop": "64x64"})


@pytest.mark.slow
def test_the_whole_loop_runs_on_the_samples(tmp_path: Path) -> None:
    output = tmp_path / "demo"
    events = list(run_demo(output, training=SHORT))
    last = events[-1]
    assert isinstance(last, Finished)
    texts = [event.text for event in events if isinstance(event, Message)]
    assert "simulated" in texts[0]
    assert any("mean foreground" in text for text in texts)
    samples = load_dataset(sample_folder() / "device_b")
    for stage in ("before", "after"):
        scores = last.result[stage]
        assert scores["n_groups"] == len(samples.groups("val")) == 2
        assert scores["mean_foreground_dice"] is not None
    for case in samples.of_split("val"):
        for stage in ("before", "after", "reference"):
            assert (output / "overlays" / f"{case.name}_{stage}.png").is_file()
        found = read_labels(output / "after" / f"{case.name}.png")
        assert found.shape == case.read_scan().spatial_shape
    parent = load_model("starter").info.weights_id
    assert load_model(output / "run").info.parent == parent


@pytest.mark.slow
def test_corrections_are_a_few_bscans_and_no_heldout_patient_is_among_them(
    tmp_path: Path,
) -> None:
    cancel = CancelToken()
    for event in run_demo(tmp_path / "demo", training=SHORT, cancel=cancel):
        if isinstance(event, StepDone):
            cancel.cancel()
    workspace = load_dataset(tmp_path / "demo" / "workspace")
    samples = load_dataset(sample_folder() / "device_b")
    assert workspace.groups("train") == samples.groups("train")
    assert not {*workspace.groups("train")} & {*workspace.groups("val")}
    expected = CORRECTED_PER_PATIENT * len(samples.groups("train"))
    assert len(workspace.of_split("train")) == expected < len(samples.of_split("train"))


def test_what_lies_in_the_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with pytest.raises(UsageError, match="this folder is not empty"):
        list(run_demo(tmp_path))
    assert (tmp_path / "mine.txt").read_text() == "precious"

"""`predict`: one scan, a folder, a volume; resuming, pictures, names that clash."""

from __future__ import annotations

import csv
import json
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from napari_retseg.classes import LabelSet
from napari_retseg.cli.batch import Batch
from napari_retseg.cli.labeller import Labeller
from napari_retseg.cli.listing import Place, list_scans
from napari_retseg.cli.predict_files import Wanted
from napari_retseg.cli.reporting import Reporter
from napari_retseg.cli.running import stopping_cleanly
from napari_retseg.config import PredictConfig
from napari_retseg.events import BscanPredicted, Cancel, Event, Finished
from napari_retseg.io import read_labels, read_scan, write_scan
from napari_retseg.models import ModelInfo
from napari_retseg.models.label_records import Origin
from napari_retseg.scan import OctScan
from tests.cli.conftest import DEPTH, WIDTH, Run, draw_bscan, only_error, save_bscan, visible

CLASSES = {0, 1, 2, 3}


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """A folder with three B-scans and a file that is no scan."""
    folder = tmp_path / "study"
    for number in (1, 2, 10):
        save_bscan(folder / f"eye{number}.png", seed=number)
    (folder / "notes.txt").write_text("seen on Monday")
    return folder


def save_volume(path: Path, n_bscans: int = 3) -> Path:
    """Write a volume with a known scale."""
    pixels = np.stack([draw_bscan(seed) for seed in range(n_bscans)])
    spacing = (120.0, 3.9, 11.5)
    scan = OctScan(pixels, ("bscan", "depth", "width"), spacing, spacing_source="file")
    write_scan(path, scan)
    return path


def test_a_folder_stands_for_its_scans(
    run: Run, study: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = run("predict", study, "--model", tiny_bundle, "--output", out, "--json")
    assert result.exit_code == 0, result.output
    assert visible(out) == ["eye1.png", "eye10.png", "eye2.png"]
    summary = json.loads(result.stdout)
    inputs = [Path(entry["input"]).name for entry in summary["predicted"]]
    assert inputs == ["eye1.png", "eye2.png", "eye10.png"]
    assert summary["failed"] == []


def test_labels_are_class_values_of_the_scan_and_those_of_python(
    run: Run, study: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    from napari_retseg.infer.predict import predict_labels

    run("predict", study / "eye1.png", "--model", tiny_bundle, "--output", tmp_path / "out")
    labels = read_labels(tmp_path / "out" / "eye1.png")
    assert labels.shape == (DEPTH, WIDTH)
    assert labels.dtype == np.uint8
    assert set(np.unique(labels)) <= CLASSES
    assert (labels == predict_labels(read_scan(study / "eye1.png"), tiny_bundle)).all()


@pytest.mark.parametrize(
    ("name", "written"),
    [("eye.tif", "eye.tif"), ("eye.nii.gz", "eye.nii.gz"), ("eye.npy", "eye.tif")],
)
def test_a_volume_keeps_its_stem(
    run: Run, tiny_bundle: Path, tmp_path: Path, name: str, written: str
) -> None:
    volume = save_volume(tmp_path / name)
    out = tmp_path / "out"
    result = run("predict", volume, "--model", tiny_bundle, "--output", out, "--precision", "fp32")
    assert result.exit_code == 0, result.output
    assert visible(out) == [written]
    scan = read_scan(volume)
    assert read_labels(out / written, shape=scan.spatial_shape).shape == scan.spatial_shape


def test_a_folder_can_be_one_volume(
    run: Run, study: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    (study / "notes.txt").unlink()
    out = tmp_path / "out"
    result = run("predict", study, "--as-volume", "--model", tiny_bundle, "--output", out)
    assert result.exit_code == 0, result.output
    assert read_labels(out / "study.tif").shape == (3, DEPTH, WIDTH)


def test_overlays_are_pictures_of_each_bscan(
    run: Run, study: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    volume = save_volume(tmp_path / "vol.tif")
    out = tmp_path / "out"
    arguments = ("--model", tiny_bundle, "--output", out, "--overlay")
    assert run("predict", study / "eye1.png", volume, *arguments).exit_code == 0
    made = {path.relative_to(out).as_posix() for path in out.rglob("*_b?.png")}
    assert made == {f"overlays/vol/vol_b{index}.png" for index in range(3)}
    with Image.open(out / "overlays" / "eye1.png") as picture:
        assert picture.size == (WIDTH, DEPTH)
        assert picture.mode == "RGB"


def test_two_scans_with_the_same_label_file_are_refused(
    run: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    first = save_bscan(tmp_path / "a" / "eye.png", seed=1)
    second = save_bscan(tmp_path / "b" / "eye.bmp", seed=2)
    out = tmp_path / "out"
    result = run("predict", first, second, "--model", tiny_bundle, "--output", out)
    assert result.exit_code == 2
    line = only_error(result)
    assert str(first) in line
    assert str(second) in line
    assert not out.exists()


def test_scans_of_one_stem_whose_labels_differ_in_name_are_fine(
    run: Run, tiny_bundle: Path, tmp_path: Path
) -> None:
    first = save_bscan(tmp_path / "eye.png", seed=1)
    second = save_volume(tmp_path / "eye.tif")
    result = run("predict", first, second, "--model", tiny_bundle, "--output", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert visible(tmp_path / "out") == ["eye.png", "eye.tif"]


def test_a_scan_is_never_replaced_by_its_labels(run: Run, study: Path, tiny_bundle: Path) -> None:
    before = (study / "eye1.png").read_bytes()
    result = run("predict", study / "eye1.png", "--model", tiny_bundle, "--output", study)
    assert result.exit_code == 2
    assert "eye1.png" in only_error(result)
    assert (study / "eye1.png").read_bytes() == before


def test_a_scan_given_twice_is_labelled_once(
    run: Run, study: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    arguments = ("--model", tiny_bundle, "--output", tmp_path / "out", "--json")
    result = run("predict", study / "eye1.png", study, *arguments)
    assert len(json.loads(result.stdout)["predicted"]) == 3


def test_fail_fast_stops_at_the_first_failure(
    run: Run, study: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    (study / "eye1.png").write_bytes(b"")
    out = tmp_path / "out"
    arguments = ("--model", tiny_bundle, "--output", out, "--fail-fast", "--json")
    result = run("predict", study, *arguments)
    assert result.exit_code == 1
    summary = json.loads(result.stdout)
    assert [Path(entry["input"]).name for entry in summary["failed"]] == ["eye1.png"]
    assert len(summary["not_tried"]) == 2
    assert visible(out) == []


def test_hidden_files_are_no_scans(study: Path) -> None:
    shutil.copy(study / "eye1.png", study / "._eye1.png")
    assert "._eye1.png" not in [one.path.name for one in list_scans([study]).places]


def test_ctrl_c_leaves_whole_files_only(tiny_info: ModelInfo, tmp_path: Path) -> None:
    volumes = [save_volume(tmp_path / f"{name}.tif") for name in ("first", "second", "third")]
    out = tmp_path / "out"
    with stopping_cleanly() as cancel, Reporter() as reporter:

        def label(scan: OctScan, cancel: Cancel) -> Iterator[Event]:
            for index in range(scan.n_bscans):
                if scan.source == volumes[1] and index == 1:
                    signal.raise_signal(signal.SIGINT)
                if cancel.is_cancelled():
                    yield Finished(cancelled=True)
                    return
                yield BscanPredicted(index, np.ones(scan.spatial_shape[1:], dtype=np.uint8))
            yield Finished()

        origin = Origin(scan="", weights="", model="", options={}, program="")
        labeller = Labeller(tmp_path, tiny_info, label, lambda _: origin)
        batch = Batch(wanted=Wanted(out), labeller=labeller, reporter=reporter, cancel=cancel)
        summary = batch.run([Place(volume) for volume in volumes])
    assert summary.exit_code == 130
    assert visible(out) == ["first.tif"]
    assert summary.not_tried == [str(volumes[2])]
    assert summary.failed == []


def read_table(path: Path) -> list[dict[str, str]]:
    """Read the ranking."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture
def sure_bundle(tmp_path: Path, tiny_info: ModelInfo, tiny_network: torch.nn.Module) -> Path:
    """A model with logits far apart: new weights find all classes about equally likely."""
    from napari_retseg.nets.bundle import save_model

    head = tiny_network.get_submodule("segmentation_head.0")
    assert isinstance(head.weight, torch.Tensor)
    head.weight.data *= 100
    save_model(tmp_path / "sure", tiny_network, tiny_info)
    return tmp_path / "sure"


def test_uncertainty_is_mapped_and_all_bscans_are_ranked(
    run: Run, study: Path, sure_bundle: Path, tmp_path: Path
) -> None:
    volume = save_volume(tmp_path / "vol.nii.gz")
    out = tmp_path / "out"
    arguments = ("--model", sure_bundle, "--output", out, "--uncertainty", "--json")
    result = run("predict", study, volume, *arguments)
    assert result.exit_code == 0, result.output
    maps = {path.name for path in (out / "uncertainty").iterdir() if path.suffix != ".json"}
    assert maps == {"eye1.png", "eye2.png", "eye10.png", "vol.nii.gz"}
    scan = read_scan(volume)
    found = read_scan(out / "uncertainty" / "vol.nii.gz")
    assert found.spatial_shape == scan.spatial_shape
    assert found.spacing_um == pytest.approx(scan.spacing_um)
    entropy = np.asarray(found.pixels)
    assert entropy.dtype == np.uint8
    assert len(np.unique(entropy)) > 20
    rows = read_table(out / "uncertainty.csv")
    assert [row["rank"] for row in rows] == ["1", "2", "3", "4", "5", "6"]
    assert {(Path(row["file"]).name, row["bscan"]) for row in rows} == {
        *((f"eye{number}.png", "0") for number in (1, 2, 10)),
        *(("vol.nii.gz", str(index)) for index in range(3)),
    }
    scores = [float(row["score"]) for row in rows]
    assert scores[0] == max(scores)
    assert all(0 < score <= 1 for score in scores)
    summary = json.loads(result.stdout)
    assert [str(one["score"]) for one in summary["label_next"]] == [
        str(float(row["score"])) for row in rows
    ]
    assert summary["predicted"][0]["uncertainty"] == str(out / "uncertainty" / "eye1.png")
    first = f"label these next: {Path(rows[0]['file']).name} B-scan {rows[0]['bscan']}, "
    assert first in result.stderr


def test_without_it_nothing_is_mapped(
    run: Run, study: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    result = run("predict", study, "--model", tiny_bundle, "--output", out, "--json")
    assert "label_next" not in json.loads(result.stdout)
    assert not (out / "uncertainty").exists()


def test_scans_of_an_earlier_run_take_part_in_the_ranking(
    run: Run, study: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    arguments = ("--model", tiny_bundle, "--output", out, "--uncertainty", "--resume", "--json")
    run("predict", study / "eye1.png", study / "eye2.png", *arguments)
    assert len(read_table(out / "uncertainty.csv")) == 2
    summary = json.loads(run("predict", study, *arguments).stdout)
    assert [Path(entry["input"]).name for entry in summary["predicted"]] == ["eye10.png"]
    whole = read_table(out / "uncertainty.csv")
    assert len(whole) == 3
    (out / "uncertainty" / "eye2.png.json").write_text('{"bscans": [{"bscan"')
    (out / "uncertainty" / "eye10.png").unlink()
    summary = json.loads(run("predict", study, *arguments).stdout)
    again = [Path(entry["input"]).name for entry in summary["predicted"]]
    assert again == ["eye2.png", "eye10.png"]
    assert read_table(out / "uncertainty.csv") == whole


def test_a_map_never_replaces_a_scan(
    run: Run, study: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    inside = tmp_path / "out" / "uncertainty" / "eye1.png"
    inside.parent.mkdir(parents=True)
    shutil.copy(study / "eye1.png", inside)
    arguments = ("--model", tiny_bundle, "--output", tmp_path / "out", "--uncertainty")
    result = run("predict", inside, *arguments)
    assert result.exit_code == 2
    assert "lies in the folder of uncertainty maps" in only_error(result)
    assert inside.read_bytes() == (study / "eye1.png").read_bytes()


def test_tta_changes_the_labels_as_in_python(
    run: Run, study: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    from napari_retseg.config import PredictConfig
    from napari_retseg.infer.predict import predict_labels

    arguments = ("predict", study / "eye1.png", "--model", tiny_bundle, "--output")
    run(*arguments, tmp_path / "plain")
    run(*arguments, tmp_path / "tta", "--tta")
    plain, averaged = (read_labels(tmp_path / name / "eye1.png") for name in ("plain", "tta"))
    assert (plain != averaged).any()
    config = PredictConfig(tta=True)
    assert (averaged == predict_labels(read_scan(study / "eye1.png"), tiny_bundle, config)).all()


def test_surfaces_need_layers(
    run: Run, study: Path, tiny_bundle: Path, tiny_info: ModelInfo, tmp_path: Path
) -> None:
    from napari_retseg.infer.predict import predict_labels
    from napari_retseg.nets.bundle import load_model, save_model

    arguments = (
        *("predict", study / "eye1.png", "--decode", "surfaces"),
        *("--output", tmp_path / "out", "--model"),
    )
    result = run(*arguments, tiny_bundle)
    assert result.exit_code == 2
    assert "upper, lower, fluid" in only_error(result)
    assert not (tmp_path / "out").exists()
    classes = LabelSet.from_names(["INL", "GCL-IPL", "fluid"])
    info = tiny_info.model_copy(update={"classes": classes})
    save_model(tmp_path / "layers", load_model(tiny_bundle).network, info)
    assert run(*arguments, tmp_path / "layers").exit_code == 0
    surfaces = PredictConfig(decode="surfaces")
    found = read_labels(tmp_path / "out" / "eye1.png")
    scan = read_scan(study / "eye1.png")
    assert (found == predict_labels(scan, tmp_path / "layers", surfaces)).all()
    plain = PredictConfig(decode="plain")
    assert (found != predict_labels(scan, tmp_path / "layers", plain)).any()


def test_a_nifti_volume_is_sliced_along_the_axis_asked_for(
    run: Run, tiny_bundle: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    path = tmp_path / "brain.nii.gz"
    pixels = rng.integers(0, 255, (5, 20, 24), dtype=np.uint8)
    write_scan(path, OctScan(pixels, ("z", "y", "x"), (1000.0,) * 3, spacing_source="file"))
    arguments = ("predict", path, "--model", tiny_bundle, "--output")
    assert run(*arguments, tmp_path / "along", "--axis", "2").exit_code == 0
    assert run(*arguments, tmp_path / "first").exit_code == 0
    along, first = (read_labels(tmp_path / name / "brain.nii.gz") for name in ("along", "first"))
    assert along.shape == first.shape == (5, 20, 24)
    assert (along != first).any()
    assert run(*arguments, tmp_path / "out", "--axis", "3").exit_code == 2


def test_evaluate_takes_the_same_options(
    run: Run, tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    arguments = ("evaluate", tiny_dataset, "--model", tiny_bundle, "--json")
    plain, averaged = (json.loads(run(*arguments, *more).stdout) for more in ((), ("--tta",)))
    assert plain["classes"] != averaged["classes"]
    result = run(*arguments, "--decode", "surfaces")
    assert result.exit_code == 2
    assert "upper, lower, fluid" in only_error(result)
    result = run("evaluate", tiny_dataset, "--predictions", tmp_path, "--tta")
    assert result.exit_code == 2
    assert "can only be used with --model" in only_error(result)

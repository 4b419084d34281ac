"""The quick version of every recipe runs end to end on simulated scans."""

from __future__ import annotations

import json
from pathlib import Path

import nibabel
import numpy as np
import pytest

from napari_retseg.nets.bundle import load_model
from napari_retseg.nets.nyul import PERCENTILES
from napari_retseg.study.results import read_results
from napari_retseg.study.study_run import StudyFolder
from tests.cli.conftest import invoke


#: msd-slices and label-efficiency run in test_report.
@pytest.mark.slow
@pytest.mark.parametrize("name", ["dme-transfer", "cross-disease", "prostate-3d"])
def test_it_ends_with_a_report(name: str, tmp_path: Path) -> None:
    output = tmp_path / "out"
    done = invoke("study", name, "--quick", "--output", output)
    assert done.exit_code == 0, done.output
    folder = StudyFolder(output)
    plan = folder.read_plan()
    results = read_results(plan, folder)
    assert len(results) == sum(run.kind == "run" for run in plan.runs)
    assert all(result.scores["n_bscans"] > 0 for result in results)
    assert (output / "report.html").stat().st_size > 10_000


@pytest.mark.slow
def test_the_oct_version_of_cross_disease_pre_trains_on_simulated_scans(tmp_path: Path) -> None:
    output = tmp_path / "out"
    options = ["--set", "grids.strategies.factors.strategy.scratch=null"]
    options += ["--set", "splits.four-fold.plan=80/20"]
    done = invoke("study", "cross-disease-oct", "--quick", "--output", output, *options)
    assert done.exit_code == 0, done.output
    plan = StudyFolder(output).read_plan()
    assert plan.runs[0].kind == "pretraining"
    assert plan.runs[0].data.simulated
    assert {run.levels["strategy"] for run in plan.runs[1:]} == {"all", "decoder", "last three"}
    text = (output / "report.html").read_text()
    assert "1 patient of the others validates" in text
    assert "they are chosen later" in text


def _write_volumes(folder: Path, *, count: int, classes: tuple[str, ...]) -> Path:
    """A Decathlon task of volumes of four channels, with nested lesions."""
    rng = np.random.default_rng(len(classes))
    shape = (32, 32, 16)
    places = np.stack(np.meshgrid(*map(np.arange, shape), indexing="ij"), axis=-1)
    training = []
    for number in range(count):
        away = np.linalg.norm(places - rng.uniform(0.4, 0.6, 3) * shape, axis=-1)
        labels = np.zeros(shape, np.uint8)
        for value in range(1, len(classes) + 1):
            labels[away < 9 - 2 * value] = value
        scan = rng.normal(100, 10, (*shape, 4)) + labels[..., None] * [10, 20, 30, 40]
        names = {"image": f"imagesTr/p{number}.nii.gz", "label": f"labelsTr/p{number}.nii.gz"}
        for name, content in zip(names.values(), (scan.astype(np.float32), labels), strict=True):
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            image = nibabel.Nifti1Image(content, np.eye(4))  # type: ignore[no-untyped-call]
            nibabel.save(image, folder / name)
        training.append(names)
    labels_of = {"0": "background", **{str(k): name for k, name in enumerate(classes, start=1)}}
    about = {"name": folder.name, "modality": {"0": "FLAIR", "1": "T1", "2": "T1gd", "3": "T2"}}
    content = {**about, "labels": labels_of, "training": training, "test": []}
    (folder / "dataset.json").write_text(json.dumps(content))
    return folder


@pytest.mark.slow
def test_volumes_of_four_channels_go_from_one_disease_to_another(tmp_path: Path) -> None:
    """N4 and Nyul for the source; z-scores, an operating point and other classes after it."""
    pytest.importorskip("SimpleITK")
    source = _write_volumes(tmp_path / "sclerosis", count=3, classes=("lesion",))
    target = _write_volumes(tmp_path / "tumours", count=6, classes=("edema", "core", "enhancing"))
    output = tmp_path / "out"
    given = ("--data", f"source={source}", "--data", f"target={target}")
    options = ("--set", "pretraining.train.n4=on")
    done = invoke("study", "cross-disease", "--quick", *given, *options, "--output", output)
    assert done.exit_code == 0, done.output
    folder = StudyFolder(output)
    runs = folder.read_plan().unique
    assert runs[0].kind == "pretraining"
    before = load_model(folder.run(runs[0].key).model).info
    assert (before.network.in_channels, before.network.n_classes) == (4, 2)
    assert before.preprocess.n4
    assert len(before.preprocess.landmarks) == 4 * len(PERCENTILES)
    results = read_results(folder.read_plan(), folder)
    assert {result.spec.levels["strategy"] for result in results} == {"all", "scratch"}
    for result in results:
        assert {"edema", "core", "enhancing"} < set(result.scores["classes"])
        assert result.spec.config.n4 == "off"
        assert result.spec.config.operating_point

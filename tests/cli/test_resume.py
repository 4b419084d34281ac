"""`predict --resume`: what was made from what is known by content, and handwork is not replaced."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from napari_retseg.io import read_labels, read_scan, write_labels, write_scan
from napari_retseg.models import ModelInfo, label_records, read_info
from napari_retseg.models.label_records import Records
from napari_retseg.scan import OctScan
from tests.cli.conftest import Run, draw_bscan, only_error, save_bscan, visible

NAMES = ["eye1.png", "eye2.png", "vol.nii.gz", "vol.tif"]

Predict = Callable[..., dict[str, Any]]


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """Scans of each kind of label file."""
    folder = tmp_path / "study"
    for number in (1, 2):
        save_bscan(folder / f"eye{number}.png", seed=number)
    for number, name in enumerate(NAMES[2:], start=3):
        pixels = np.stack([draw_bscan(seed) for seed in (number, number + 10)])
        write_scan(folder / name, OctScan(pixels, ("bscan", "depth", "width")))
    return folder


@pytest.fixture
def predict(run: Run, study: Path, tiny_bundle: Path, tmp_path: Path) -> Predict:
    """Labels the study, with ``--resume`` unless told otherwise; gives the JSON's lists by name."""

    def call(
        *more: str | Path, model: Path = tiny_bundle, resume: bool = True, code: int = 0
    ) -> dict[str, Any]:
        options = (*(("--resume",) if resume else ()), *more)
        arguments = ("--model", model, "--output", tmp_path / "out", "--json")
        result = run("predict", study, *arguments, *options)
        assert result.exit_code == code, result.output
        found = json.loads(result.stdout)
        kinds = ("predicted", "skipped", "kept", "failed")
        return {kind: [Path(one["input"]).name for one in found[kind]] for kind in kinds}

    return call


def test_the_same_again_is_done(predict: Predict, study: Path) -> None:
    assert predict()["predicted"] == NAMES
    for path in study.iterdir():
        os.utime(path, (0, 0))
    assert predict()["skipped"] == NAMES
    for path in study.iterdir():
        later = path.stat().st_mtime + 1e6
        os.utime(path, (later, later))
    assert predict()["skipped"] == NAMES


def test_what_is_missing_is_done_again(predict: Predict, tmp_path: Path) -> None:
    predict()
    (tmp_path / "out" / "eye1.png").unlink()
    assert predict()["predicted"] == ["eye1.png"]


@pytest.mark.parametrize("name", NAMES)
def test_another_scan_of_the_same_name_and_an_older_date_is_done_again(
    predict: Predict, study: Path, name: str
) -> None:
    predict()
    other = study / ("eye2.png" if name.startswith("eye") else "vol.tif")
    pixels = np.asarray(read_scan(other).pixels)
    path = study / name
    axes = read_scan(path).axes
    path.unlink()
    write_scan(path, OctScan(255 - pixels, axes))
    os.utime(path, (0, 0))
    assert predict()["predicted"] == [name]
    assert predict()["predicted"] == []


def _other_weights(network: torch.nn.Module, info: ModelInfo) -> ModelInfo:
    next(network.parameters()).data += 1
    return info


def _other_thresholds(network: torch.nn.Module, info: ModelInfo) -> ModelInfo:
    return info.model_copy(update={"thresholds": {info.classes.names[1]: 0.9}})


def _other_classes(network: torch.nn.Module, info: ModelInfo) -> ModelInfo:
    renamed = tuple(one.model_copy(update={"name": f"{one.name}x"}) for one in info.classes.classes)
    return info.model_copy(update={"classes": info.classes.model_copy(update={"classes": renamed})})


@pytest.mark.parametrize("change", [_other_weights, _other_thresholds, _other_classes])
def test_another_model_of_the_same_name_and_an_older_date_is_another(
    predict: Predict,
    tiny_network: torch.nn.Module,
    tiny_info: ModelInfo,
    tmp_path: Path,
    change: Callable[[torch.nn.Module, ModelInfo], ModelInfo],
) -> None:
    from napari_retseg.nets.bundle import save_model

    model = tmp_path / "model"
    save_model(model, tiny_network, tiny_info)
    assert predict(model=model)["predicted"] == NAMES
    assert predict(model=model)["predicted"] == []
    info = change(tiny_network, tiny_info)
    shutil.rmtree(model)
    save_model(model, tiny_network, info)
    for path in model.iterdir():
        os.utime(path, (0, 0))
    assert predict(model=model)["predicted"] == NAMES


def test_scores_and_place_of_a_model_do_not_matter(
    predict: Predict, tiny_bundle: Path, tmp_path: Path
) -> None:
    predict()
    elsewhere = tmp_path / "elsewhere"
    shutil.copytree(tiny_bundle, elsewhere)
    about = json.loads((elsewhere / "model.json").read_text())
    (elsewhere / "model.json").write_text(json.dumps({**about, "about": "for tests"}))
    assert predict(model=elsewhere)["skipped"] == NAMES


@pytest.mark.parametrize(
    "option",
    [
        ("--tta",),
        ("--uncertainty",),
        ("--overlay",),
        ("--precision", "fp32"),
        ("--device", "cpu"),
        ("--overlap", "0.25"),
        ("--axis", "1"),
    ],
)
def test_another_option_is_done_again(predict: Predict, option: tuple[str, ...]) -> None:
    predict()
    assert predict(*option)["predicted"] == NAMES
    assert predict(*option)["skipped"] == NAMES


def test_what_does_not_change_labels_does_not_matter(predict: Predict) -> None:
    predict("--uncertainty", "--overlay")
    assert predict("--batch-size", "2")["skipped"] == NAMES


def test_another_version_is_done_again(predict: Predict, monkeypatch: pytest.MonkeyPatch) -> None:
    predict()
    monkeypatch.setattr(label_records, "__version__", "99.0")
    assert predict()["predicted"] == NAMES


def edit(path: Path) -> bytes:
    """Change one pixel of a label file, as a user would; return its new content."""
    labels = read_labels(path)
    labels[..., 3, 3] = (labels[..., 3, 3] + 1) % 3
    write_labels(path, labels)
    return path.read_bytes()


@pytest.mark.parametrize("name", NAMES)
def test_labels_changed_by_hand_are_never_replaced_unasked(
    predict: Predict, tiny_bundle: Path, study: Path, tmp_path: Path, run: Run, name: str
) -> None:
    predict()
    target = tmp_path / "out" / name
    edited = edit(target)
    assert predict()["kept"] == [name]
    assert predict("--tta")["kept"] == [name]
    found = predict(resume=False, code=1)
    assert found["failed"] == [name]
    assert sorted(found["predicted"]) == sorted({*NAMES} - {name})
    assert target.read_bytes() == edited
    arguments = ("--model", tiny_bundle, "--output", tmp_path / "out")
    line = only_error(run("predict", study / name, *arguments))
    assert f"{target}: changed since it was predicted" in line
    assert "--overwrite" in line
    assert predict("--overwrite")["predicted"] == [name]
    assert target.read_bytes() != edited
    assert predict()["skipped"] == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_is_not_whole_is_named_and_left(
    predict: Predict, tmp_path: Path, name: str
) -> None:
    predict()
    target = tmp_path / "out" / name
    cut = target.read_bytes()[:40]
    target.write_bytes(cut)
    assert predict(code=1)["failed"] == [name]
    assert target.read_bytes() == cut
    assert predict("--overwrite")["predicted"] == [name]


@pytest.mark.parametrize("damage", [None, "", "{", "[]", '{"schema_version": 2}'])
def test_labels_of_unknown_origin_are_named_and_left(
    predict: Predict, tmp_path: Path, damage: str | None
) -> None:
    predict()
    record = tmp_path / "out" / label_records.FOLDER / "eye1.png.json"
    if damage is None:
        record.unlink()
    else:
        record.write_text(damage)
    before = (tmp_path / "out" / "eye1.png").read_bytes()
    assert predict("--tta", code=1)["failed"] == ["eye1.png"]
    assert predict(resume=False, code=1)["failed"] == ["eye1.png"]
    assert (tmp_path / "out" / "eye1.png").read_bytes() == before


def test_labels_saved_again_with_the_same_values_are_the_same(
    predict: Predict, tmp_path: Path
) -> None:
    predict()
    for name in NAMES:
        path = tmp_path / "out" / name
        write_labels(path, read_labels(path))
    assert predict()["skipped"] == NAMES


_KILLED = """
import os, signal, sys
from pathlib import Path
import napari_retseg.{module} as module
real = module.{name}
def die(*arguments, **options):
    {before}
    os.kill(os.getpid(), signal.SIGKILL)
module.{name} = die
from napari_retseg.cli import app
app(sys.argv[1:])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize(
    ("module", "name", "before"),
    [
        ("models.label_records", "write_json", "real(*arguments, **options)"),
        ("io.writer", "save_planes", "real(*arguments, **options)"),
    ],
)
def test_a_kill_at_any_step_leaves_nothing_that_a_resume_does_not_mend(
    predict: Predict,
    study: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    module: str,
    name: str,
    before: str,
) -> None:
    for path in study.iterdir():
        if path.name != "vol.tif":
            path.unlink()
    predict("--tta", resume=False)
    script = _KILLED.format(module=module, name=name, before=before)
    out = tmp_path / "out"
    arguments = ["predict", str(study), "--model", str(tiny_bundle), "--output", str(out)]
    done = subprocess.run([sys.executable, "-c", script, *arguments], timeout=120, check=False)
    assert done.returncode == -signal.SIGKILL
    found = predict()
    assert found["predicted"] + found["skipped"] == ["vol.tif"]
    fresh = tmp_path / "fresh.tif"
    shutil.copy(out / "vol.tif", fresh)
    (out / "vol.tif").unlink()
    predict()
    assert (read_labels(fresh) == read_labels(out / "vol.tif")).all()
    # what the killed program had begun is gone
    assert visible(out) == ["vol.tif"]
    assert not list(out.glob(".retseg-*"))
    kept = Records(out).look(out / "vol.tif")
    assert kept.state == "ours"
    # a workspace and `models history` name the model by the same identity
    assert kept.record is not None
    assert kept.record.weights_id == read_info(tiny_bundle).weights_id

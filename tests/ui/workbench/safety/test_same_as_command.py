"""What the dock does, the command line does bit for bit: labels and weights."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray
from PIL import Image
from qtpy.QtWidgets import QApplication

from napari_retseg.io import label_path, read_labels, read_scan, write_scan
from napari_retseg.models import WEIGHTS
from napari_retseg.scan import Axis, OctScan
from tests.ui.workbench.safety.clicking import User

OCT: tuple[Axis, ...] = ("bscan", "depth", "width")


def run_command(*words: str | Path) -> None:
    """Run ``napari-retseg`` in a process of its own."""
    command = [sys.executable, "-m", "napari_retseg", *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, env=environment)
    assert done.returncode == 0, done.stderr


def draw(seed: int, *shape: int) -> NDArray[np.uint8]:
    pixels = np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8)
    pixels[..., shape[-2] // 3 : shape[-2] // 2, :] //= 4
    return pixels


def write_scans(folder: Path) -> list[Path]:
    """Write ten scans: pictures, TIFF, NIfTI and numpy, of even and of odd sizes."""
    folder.mkdir()
    for number, size in enumerate(((64, 96), (61, 97), (33, 50))):
        Image.fromarray(draw(number, *size)).save(folder / f"bscan{number}.png")
    Image.fromarray(draw(3, 48, 65)).save(folder / "picture.bmp")
    tifffile.imwrite(folder / "deep.tif", draw(4, 40, 70).astype(np.uint16) * 251)
    for name, shape, spacing in (
        ("known.tif", (5, 64, 96), (120.0, 3.5, 25.0)),
        ("odd.tif", (3, 47, 83), (60.0, 3.9, 11.3)),
        ("head.nii.gz", (4, 45, 61), (120.0, 3.9, 11.3)),
        ("plain.nii", (2, 64, 64), (100.0, 4.0, 12.0)),
    ):
        scan = OctScan(draw(len(name), *shape), OCT, spacing, spacing_source="file")
        write_scan(folder / name, scan)
    np.save(folder / "array.npy", draw(5, 2, 53, 77))
    scans = sorted(folder.iterdir())
    assert len(scans) == 10
    return scans


def test_ten_scans_have_the_labels_that_the_command_writes(
    user: User, own_copy: Path, tmp_path: Path
) -> None:
    scans, written = write_scans(tmp_path / "scans"), tmp_path / "labels"
    user.make_workspace(tmp_path / "work")
    user.add(*scans)
    user.choose_model("tiny")
    for index in range(len(scans)):
        user.choose_scan(index)
        user.segment()
        user.accept_volume()
    user.wait_until_saved()
    run_command("predict", *scans, "--model", own_copy / "tiny", "--output", written)
    seen: set[int] = set()
    for path, entry in zip(scans, user.state.scans, strict=True):
        scan = read_scan(path)
        expected = read_labels(label_path(scan, written), shape=scan.spatial_shape)
        prediction = user.workspace.read_prediction(entry.name)
        assert prediction is not None
        np.testing.assert_array_equal(prediction.labels, expected, err_msg=path.name)
        labels = user.workspace.read_labels(entry.name)
        np.testing.assert_array_equal(labels, expected, err_msg=path.name)
        seen |= set(np.unique(expected).tolist())
    assert seen == {0, 1, 2, 3}


@pytest.mark.slow
def test_the_copied_command_trains_the_same_weights(at_work: User, tmp_path: Path) -> None:
    for bscan in (0, 1, 4):
        at_work.paint(bscan, slice(20, 40), 3)
        at_work.click(at_work.dock.review_panel.confirm_button)
    at_work.wait_until_saved()
    at_work.retrain(deterministic=True, device="cpu", augment="light", lr=0.01)
    at_work.wait(lambda: at_work.state.verdict is not None)
    clipboard = QApplication.clipboard()
    assert clipboard is not None
    clipboard.clear()
    at_work.click(at_work.dock.retrain_panel.command_button)
    at_work.wait(lambda: "clipboard" in at_work.notice)
    program, *words = shlex.split(clipboard.text())
    assert program == "napari-retseg"
    assert "--deterministic" in words
    run_command(*words)
    run, again = tmp_path / "work" / "rounds" / "0001", Path(words[words.index("--output") + 1])
    assert again != run
    for model in ("model", "model-last"):
        weights = (run / model / WEIGHTS).read_bytes()
        assert weights != (run / "model-start" / WEIGHTS).read_bytes()
        assert (again / model / WEIGHTS).read_bytes() == weights

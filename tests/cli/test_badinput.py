"""Input that cannot be used: one clear line, exit code 1 or 2, and the others are done."""

from __future__ import annotations

import json
import os
import pickle
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import nibabel
import numpy as np
import pytest
import tifffile
import torch
from numpy.typing import NDArray
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from napari_retseg.io import write_scan
from napari_retseg.scan import Axis, OctScan
from tests.cli.conftest import (
    DEPTH,
    WIDTH,
    Run,
    draw_bscan,
    invoke,
    only_error,
    save_bscan,
    visible,
)

SHARES = (2, 50, 97)


def save_nifti(path: Path, pixels: NDArray[np.uint8]) -> None:
    """Write an array as it is, without a scale."""
    nibabel.save(nibabel.Nifti1Image(pixels, np.eye(4)), path)  # type: ignore[no-untyped-call]


def _write_png(path: Path) -> None:
    save_bscan(path, seed=3)


def _write_tiff(path: Path) -> None:
    stack = np.stack([draw_bscan(seed) for seed in range(4)])
    tifffile.imwrite(path, stack, photometric="minisblack", compression="zlib")


def _write_nifti(path: Path) -> None:
    pixels = np.stack([draw_bscan(seed) for seed in range(4)], axis=-1)
    save_nifti(path, pixels)


CUT = {
    "cut{}.png": _write_png,
    "cut{}.tif": _write_tiff,
    "cut{}.nii": _write_nifti,
    "cut{}.nii.gz": _write_nifti,
}
EMPTY = [f"empty{n}.{s}" for n, s in enumerate(("png", "jpg", "bmp", "tif", "nii", "npy", "npz"))]
OTHER = ["none.png", "text.tif", "scan.docx", "nothing", "objects.npy", "two.nii.gz"]
BAD = [*(name.format(share) for name in CUT for share in SHARES), *EMPTY, *OTHER]


def _write_bad_files(folder: Path) -> None:
    for pattern, write in CUT.items():
        for share in SHARES:
            path = folder / pattern.format(share)
            write(path)
            content = path.read_bytes()
            path.write_bytes(content[: len(content) * share // 100])
    for name in EMPTY:
        (folder / name).touch()
    (folder / "text.tif").write_text("this is no picture\n" * 20)
    (folder / "scan.docx").write_bytes(b"PK\x03\x04")
    (folder / "nothing").mkdir()
    np.save(folder / "objects.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    save_nifti(folder / "two.nii.gz", np.zeros((WIDTH, DEPTH, 2, 2), dtype=np.uint8))


@pytest.fixture(scope="module")
def lines(tmp_path_factory: pytest.TempPathFactory, steady_model: Path) -> dict[str, list[str]]:
    """What is said about each bad scan of one batch; two good ones among them are done."""
    folder = tmp_path_factory.mktemp("batch")
    _write_bad_files(folder)
    good = [save_bscan(folder / "good" / f"{name}.png", seed=1) for name in ("a", "z")]
    inputs = [good[0], *(folder / name for name in BAD), good[1]]
    out = folder / "out"
    result = invoke("predict", *inputs, "--model", steady_model, "--output", out)
    assert result.exit_code == 1, result.output
    assert "Traceback" not in result.output
    assert visible(out) == ["a.png", "z.png"]
    assert f"2 labelled, {len(BAD)} failed" in result.stdout
    said = result.stderr.splitlines()
    assert len(said) == len(BAD)
    return {name: [line for line in said if f"{folder / name}:" in line] for name in BAD}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_scan_is_one_line_that_names_it(lines: dict[str, list[str]], name: str) -> None:
    (line,) = lines[name]
    assert line.startswith("error: ")
    assert "a bug in napari-retseg" not in line
    assert len(line) > len(name) + 20


def test_another_channel_count_names_both(lines: dict[str, list[str]]) -> None:
    (line,) = lines["two.nii.gz"]
    assert "2 channel" in line
    assert "needs 1" in line


def test_damaged_vol_files(
    run: Run, steady_model: Path, shared_data: Path, bscan: Path, tmp_path: Path
) -> None:
    content = (shared_data / "vendor" / "valid.vol").read_bytes()
    cut = tmp_path / "cut.vol"
    cut.write_bytes(content[: len(content) // 2])
    empty = shared_data / "vendor" / "invalid.vol"
    out = tmp_path / "out"
    result = run("predict", cut, empty, bscan, "--model", steady_model, "--output", out)
    assert result.exit_code == 1
    assert visible(out) == ["good.png"]
    said = result.stderr.splitlines()
    assert len(said) == 2
    assert str(cut) in said[0]
    assert str(empty) in said[1]


def _first(folder: Path, kind: str) -> Path:
    """Return an image or label of the held-out patient."""
    return sorted((folder / kind).glob("P3_*.png"))[0]


def test_a_label_of_another_shape(
    run: Run, tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    bad = _first(tiny_dataset, "labels")
    Image.fromarray(np.zeros((10, 12), dtype=np.uint8)).save(bad)
    result = run("evaluate", tiny_dataset, "--model", tiny_bundle)
    assert result.exit_code == 1
    line = only_error(result)
    assert bad.name in line
    assert "10" in line
    assert "64" in line
    result = run("train", tiny_dataset, "--output", tmp_path / "run", "--from", tiny_bundle)
    assert result.exit_code == 1
    assert bad.name in only_error(result)


def test_label_values_that_nobody_knows(
    run: Run, tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    bad = _first(tiny_dataset, "labels")
    Image.fromarray(np.full((64, 64), 77, dtype=np.uint8)).save(bad)
    result = run("evaluate", tiny_dataset, "--model", tiny_bundle)
    assert result.exit_code == 1
    line = only_error(result)
    assert bad.name in line
    assert "77" in line
    result = run("train", tiny_dataset, "--output", tmp_path / "run", "--from", tiny_bundle)
    assert result.exit_code == 1
    assert bad.name in only_error(result)


@pytest.mark.parametrize("field", ["image", "label"])
@pytest.mark.parametrize("outside", ["../secret.png", "/etc/hostname"])
def test_a_dataset_whose_paths_leave_its_folder(
    run: Run, tiny_dataset: Path, tiny_bundle: Path, field: str, outside: str
) -> None:
    save_bscan(tiny_dataset.parent / "secret.png", seed=1)
    file = tiny_dataset / "dataset.json"
    content = json.loads(file.read_text())
    content["training"][0][field] = outside
    file.write_text(json.dumps(content))
    result = run("evaluate", tiny_dataset, "--model", tiny_bundle)
    assert result.exit_code == 1
    line = only_error(result)
    assert "dataset.json" in line
    assert outside in line


@pytest.mark.parametrize("content", ["", "{", "[]", '{"training": 3}', '{"labels": {"0": "x"}}'])
def test_a_dataset_that_is_none(run: Run, tmp_path: Path, tiny_bundle: Path, content: str) -> None:
    folder = tmp_path / "broken"
    folder.mkdir()
    (folder / "dataset.json").write_text(content)
    result = run("evaluate", folder, "--model", tiny_bundle)
    assert result.exit_code == 1
    assert "dataset.json" in only_error(result)


def _change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], None]) -> None:
    path = folder / "model.safetensors"
    state = load_file(path)
    with safe_open(path, framework="pt") as file:
        metadata = file.metadata()
    change(state)
    save_file(state, path, metadata=metadata)


@pytest.mark.parametrize("kind", ["missing", "reshaped"])
def test_a_model_whose_weights_do_not_fit(
    run: Run, bscan: Path, tiny_bundle: Path, tmp_path: Path, kind: str
) -> None:
    def change(state: dict[str, torch.Tensor]) -> None:
        state.pop("segmentation_head.0.bias")
        if kind == "reshaped":
            state["segmentation_head.0.bias"] = torch.zeros(7)

    _change_weights(tiny_bundle, change)
    result = run("predict", bscan, "--model", tiny_bundle, "--output", tmp_path / "out")
    assert result.exit_code == 1
    line = only_error(result)
    assert "model.safetensors" in line
    assert "segmentation_head.0.bias" in line


def test_a_truncated_model(run: Run, bscan: Path, tiny_bundle: Path, tmp_path: Path) -> None:
    weights = tiny_bundle / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    result = run("predict", bscan, "--model", tiny_bundle, "--output", tmp_path / "out")
    assert result.exit_code == 1
    assert "model.safetensors" in only_error(result)


class Trap:
    """Runs code when it is unpickled."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return os.mkdir, ("trapped",)


@pytest.mark.parametrize("command", ["predict", "evaluate", "add"])
def test_a_pickled_model_is_refused_and_not_run(
    run: Run,
    bscan: Path,
    tiny_dataset: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    command: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    bad = tmp_path / "model.pt"
    bad.write_bytes(pickle.dumps(Trap()))
    arguments: dict[str, tuple[str | Path, ...]] = {
        "predict": ("predict", bscan, "--model", bad, "--output", tmp_path / "out"),
        "evaluate": ("evaluate", tiny_dataset, "--model", bad),
        "add": ("models", "add", bad),
    }
    result = run(*arguments[command])
    assert result.exit_code == 1
    assert "model.pt" in only_error(result)
    assert not (tmp_path / "trapped").exists()


def test_an_output_folder_that_cannot_be_made(
    run: Run, bscan: Path, tiny_bundle: Path, tiny_dataset: Path, tmp_path: Path
) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.touch()
    for arguments in (
        ("predict", bscan, "--model", tiny_bundle, "--output", in_the_way / "out"),
        ("train", tiny_dataset, "--output", in_the_way / "run", "--from", tiny_bundle),
        ("evaluate", tiny_dataset, "--model", tiny_bundle, "--output", in_the_way / "s.json"),
        ("simulate", "--output", in_the_way / "data", "--count", "1", "--size", "64x64"),
    ):
        result = run(*arguments)
        assert result.exit_code in (1, 2), result.output
        assert str(in_the_way) in only_error(result)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], None] | None]]:
    """A folder with room for 64 kB, and what limits a process to it.

    A file system of its own where the tests may mount one; otherwise a limit on the size of each
    file, which is met in the same place.
    """
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)]
    if shutil.which("mount") and subprocess.run(mount, capture_output=True).returncode == 0:
        yield folder, None
        subprocess.run(["umount", str(folder)], check=True)
    else:
        yield folder, _limit_files


def _limit_files() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (65536, 65536))


@pytest.mark.slow
def test_a_full_disk(
    small_disk: tuple[Path, Callable[[], None] | None], tiny_bundle: Path, tmp_path: Path
) -> None:
    folder, limit = small_disk
    good = save_bscan(tmp_path / "good.png", seed=1)
    bigs = [tmp_path / name for name in ("big.tif", "big.nii.gz")]
    pixels = np.random.default_rng(0).integers(0, 255, (30, 96, 96), dtype=np.uint8)
    axes: tuple[Axis, ...] = ("bscan", "depth", "width")
    for big in bigs:
        write_scan(big, OctScan(pixels, axes))
    command = [sys.executable, "-m", "napari_retseg", "predict", *map(str, (*bigs, good))]
    command += ["--model", str(tiny_bundle), "--output", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, preexec_fn=limit)
    assert done.returncode == 1, done.stdout + done.stderr
    lines = done.stderr.splitlines()
    assert len(lines) == len(bigs), done.stderr
    for big, line in zip(bigs, lines, strict=True):
        assert line.startswith("error: ")
        assert big.name in line
        assert "cannot be written" in line
    assert visible(folder) == ["good.png"]

"""Labels of a volume's B-scans go by name, whatever the order of the files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given
from hypothesis import strategies as st

from napari_retseg.dataset import Case
from napari_retseg.errors import InputError
from tests.conftest import check_line
from tests.dataset.conftest import quick, write_png
from tests.io.heyex_export import PLAIN, write_export

N = 12
NAMES: dict[str, tuple[Callable[[int], str], Callable[[int], str]]] = {
    "the same": (lambda i: f"B{i}", lambda i: f"B{i}"),
    "capitals": (lambda i: f"Bscan{i}", lambda i: f"bscan{i}"),
    "channels of nnU-Net": (lambda i: f"eye{i}_0000", lambda i: f"eye{i}"),
    "an addition": (lambda i: f"eye_{i}", lambda i: f"eye_{i}_mask"),
    "a word before": (lambda i: f"image_{i:03d}", lambda i: f"label_{i}"),
    "several numbers": (lambda i: f"P7_OD_{i}", lambda i: f"P7_OD_{i}_seg"),
    "only the last number": (lambda i: f"P7_{i}", lambda i: f"grader2_{i}"),
    "capital letters that order otherwise": (
        lambda i: f"{'aB'[i % 2]}{i}",
        lambda i: f"{'aB'[i % 2]}{i}",
    ),
}


def _plane(number: int) -> np.ndarray:
    return np.full((4, 5), number, np.uint8)


def _write(folder: Path, names: Callable[[int], str], numbers: set[int]) -> Path:
    for number in numbers:
        write_png(folder / f"{names(number)}.png", _plane(number))
    return folder


@pytest.mark.parametrize("kind", NAMES)
@given(labelled=st.sets(st.integers(0, N - 1), min_size=1), first=st.integers(0, 1))
@quick
def test_each_label_goes_to_the_bscan_of_its_name(
    tmp_path_factory: pytest.TempPathFactory, kind: str, labelled: set[int], first: int
) -> None:
    folder = tmp_path_factory.mktemp("data")
    ours, theirs = NAMES[kind]
    images = _write(folder / "images", lambda i: ours(i + first), set(range(N)))
    label = _write(folder / "labels", lambda i: theirs(i + first), labelled)
    case = Case(image=images, label=label, group="P")
    scan, labels = case.read_scan(), case.read_labels()
    for bscan in range(N):
        number = int(scan.read_bscan(bscan)[0, 0, 0])
        assert (labels[bscan] == (number if number in labelled else 255)).all()
    there = [b for b in range(N) if int(scan.read_bscan(b)[0, 0, 0]) in labelled]
    assert case.annotated_bscans() == there


@pytest.mark.parametrize("odd", ["B99", "other", "B1_again", "B"])
def test_a_label_without_a_bscan_is_named(tmp_path: Path, odd: str) -> None:
    images = _write(tmp_path / "images", lambda i: f"B{i}", set(range(N)))
    label = _write(tmp_path / "labels", lambda i: f"B{i}", set(range(N - 1)))
    write_png(label / f"{odd}.png", _plane(3))
    with pytest.raises(InputError, match=rf"these labels belong to: {odd}\.png") as raised:
        Case(image=images, label=label, group="P").read_labels()
    check_line(raised.value)


def test_labels_of_a_volume_in_one_file_go_by_number(tmp_path: Path) -> None:
    image = tmp_path / "a.tif"
    tifffile.imwrite(image, np.stack([_plane(i) for i in range(N)]))
    for first in (0, 1):
        folder = tmp_path / f"from{first}"
        label = _write(folder, lambda i, f=first: f"z{9 - i % 3}_{i + f}", set(range(N)))  # type: ignore[misc]
        labels = Case(image=image, label=label, group="P").read_labels()
        assert labels[:, 0, 0].tolist() == list(range(N))
    (folder / f"z9_{1}.png").unlink()
    with pytest.raises(InputError, match="cannot tell which of 12 B-scans") as raised:
        Case(image=image, label=folder, group="P").read_labels()
    check_line(raised.value)


def test_labels_of_a_devices_export_go_by_number(tmp_path: Path) -> None:
    # its files' names say nothing of their order, and one of them is the fundus image
    write_export(tmp_path / "export", PLAIN)
    for number in range(3):
        write_png(tmp_path / "labels" / f"{number:04d}.png", np.full((6, 8), number, np.uint8))
    case = Case(image=tmp_path / "export", label=tmp_path / "labels", group="P1")
    labels = case.read_labels(shape=(3, 6, 8))
    assert labels[:, 0, 0].tolist() == [0, 1, 2]

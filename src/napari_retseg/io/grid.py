"""Where a scan and its labels lie in space: labels are brought to the scan's grid, or refused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.file_layout import NIFTI_HEADER
from napari_retseg.io.niftiheader import length_in_mm, parse_header, read_facts
from napari_retseg.io.suffixes import suffix_of
from napari_retseg.scan import OctScan

#: How far a corner of the labels may lie from that of the scan, as a share of a voxel. Headers
#: keep 32-bit floats, and some programs round spacings to four digits.
TOLERANCE = 0.25

_NIFTI = (".nii", ".nii.gz")


@dataclass(frozen=True)
class Grid:
    """Where the voxels of an array lie.

    Parameters
    ----------
    shape
        Of the array, (z, y, x) or (y, x), without channels.
    affine
        Voxel (x, y, z) to place, as in NIfTI.
    mm
        Millimetres in the affine's unit; None where the file names none.
    """

    shape: tuple[int, ...]
    affine: NDArray[np.float64]
    mm: float | None


def grid_of(scan: OctScan) -> Grid | None:
    """The grid of a scan; None where its file names none."""
    header = scan.metadata.get(NIFTI_HEADER)
    if scan.affine is None or header is None:
        return None
    return Grid(scan.spatial_shape, scan.affine, length_in_mm(parse_header(header)))


def read_grid(path: Path) -> Grid | None:
    """The grid of a file, from its header alone; None where the format or the file names none.

    Raises
    ------
    InputError
        Where the header cannot be read.
    """
    if suffix_of(path) not in _NIFTI or not path.is_file():
        return None
    facts = read_facts(path)
    if facts.affine is None:
        return None
    shape = tuple(n for n, axis in zip(facts.shape, facts.axes, strict=True) if axis != "channel")
    return Grid(shape, facts.affine, length_in_mm(facts.header))


def bring_to_grid(
    path: Path, labels: NDArray[np.uint8], own: Grid | None, wanted: Grid | None
) -> NDArray[np.uint8]:
    """Turn labels so that their axes run as those of the scan.

    Axes are exchanged and reversed, which changes no label. Where one of the two names no grid,
    labels stay as they are.

    Parameters
    ----------
    path
        The file of the labels, for the message.
    labels
        Class values, (z, y, x) or (y, x).
    own, wanted
        The grid of the labels and that of the scan.

    Raises
    ------
    InputError
        Where the labels lie elsewhere, have another spacing or are turned by less than an axis.
    """
    if own is None or wanted is None:
        return labels
    to_scan = np.linalg.inv(_in_one_unit(wanted, own)) @ own.affine
    order = _match_axes(to_scan)
    if order is None:
        raise _refusal(path, "is rotated against the grid of the scan")
    turned = _turn(labels, order)
    if turned.shape != wanted.shape:
        raise InputError(
            f"{path}: labels of shape {labels.shape} do not fit a scan of shape {wanted.shape}"
        )
    apart = _corners_apart(to_scan, order, own.shape)
    if apart > TOLERANCE:
        raise _refusal(path, f"is shifted by up to {apart:.3g} voxels against the grid of the scan")
    return np.ascontiguousarray(turned)


def _in_one_unit(wanted: Grid, own: Grid) -> NDArray[np.float64]:
    """The scan's affine in the unit of the labels; the same unit where one names none."""
    affine = wanted.affine.copy()
    if wanted.mm is not None and own.mm is not None:
        affine[:3] *= wanted.mm / own.mm
    return affine


def _match_axes(to_scan: NDArray[np.float64]) -> list[tuple[int, bool]] | None:
    """For each axis of the scan (x, y, z) that of the labels, and whether it runs backwards."""
    steps = to_scan[:3, :3]
    nearest = np.abs(steps).argmax(axis=1)
    if sorted(nearest.tolist()) != [0, 1, 2]:
        return None
    return [(int(k), bool(steps[row, k] < 0)) for row, k in enumerate(nearest)]


def _turn(labels: NDArray[np.uint8], order: list[tuple[int, bool]]) -> NDArray[np.uint8]:
    """Exchange and reverse the axes of an array (z, y, x)."""
    is_plane = labels.ndim == 2
    volume = (labels[np.newaxis] if is_plane else labels).T
    volume = volume.transpose([k for k, _ in order])
    volume = volume[tuple(slice(None, None, -1 if back else 1) for _, back in order)].T
    return volume[0] if is_plane and volume.shape[0] == 1 else volume


def _corners_apart(
    to_scan: NDArray[np.float64], order: list[tuple[int, bool]], shape: tuple[int, ...]
) -> float:
    """Largest distance of a corner of the labels from where it should be, in the scan's voxels."""
    last = np.array([*shape[::-1], 1, 1][:3]) - 1
    apart = 0.0
    for corner in np.ndindex(2, 2, 2):
        place = np.array(corner) * last
        found = (to_scan @ [*place, 1])[:3]
        meant = [last[k] - place[k] if back else place[k] for k, back in order]
        apart = max(apart, float(np.abs(found - meant).max()))
    return apart


def _refusal(path: Path, how: str) -> InputError:
    return InputError(
        f"{path}: the grid of these labels {how} (affines in the two NIfTI headers); "
        "resample them to the scan's grid"
    )

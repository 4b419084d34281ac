"""Random changes of geometry: every change of a sample composed into one sampling grid.

All changes lie in the plane (depth, width); in 3D, that of B-scans or slices. So a volume is
sampled as its slices, bilinearly, and labels never mix between slices.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import lru_cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch.nn import functional as F

from napari_retseg.classes import IGNORE
from napari_retseg.config import AugmentConfig

Floats = NDArray[np.float32]

#: Control points of the smooth curve of an A-scan shift, and along each axis of elastic fields.
CURVE_POINTS = 8
FIELD_POINTS = 8
#: Blocks of A-scans that jump against each other in a single B-scan.
BLOCKS = 6


@dataclass(frozen=True, slots=True, eq=False)
class GeometryDraw:
    """Changes of geometry of n samples; None where a change is off.

    Lengths are parts of the sample's depth, of its width where said. In the order in which
    they change a sample:

    Attributes
    ----------
    flip, vertical_flip
        ``(n,)``, mirrored along the width, along the depth.
    scale
        ``(n, 2)``, relative size along depth and width.
    rotation
        ``(n,)``, degrees, counter-clockwise on the screen, in pixels: right for any shape.
    shift
        ``(n, 2)``, to greater depth, and along the width in parts of the width.
    shear
        ``(n,)``, 0.1 lowers the right edge and lifts the left one by a tenth of the depth.
    ascan_shift
        ``(n, CURVE_POINTS)``, control values of the shift in depth along the width.
    bscan_motion
        ``(n,)``, largest jump in depth; `seed` gives that of each slice (3D) or block of
        A-scans (2D).
    elastic
        ``(n, 2, [FIELD_POINTS,] FIELD_POINTS, FIELD_POINTS)``, control values of the
        displacement along depth and width, over the axes of the sample.
    seed
        ``(n,)``, int64.
    """

    flip: NDArray[np.bool_] | None
    vertical_flip: NDArray[np.bool_] | None
    scale: Floats | None
    rotation: Floats | None
    shift: Floats | None
    shear: Floats | None
    ascan_shift: Floats | None
    bscan_motion: Floats | None
    elastic: Floats | None
    seed: NDArray[np.int64]

    @property
    def bends(self) -> bool:
        """Whether pixels have to be interpolated: there is more than mirroring."""
        mirrors = ("flip", "vertical_flip", "seed")
        return any(getattr(self, f.name) is not None for f in fields(self) if f.name not in mirrors)


def draw_geometry(
    config: AugmentConfig, n: int, rng: np.random.Generator, *, dims: int
) -> GeometryDraw:
    """Draw changes of geometry for `n` samples of 2 or 3 dimensions."""

    def around(half_range: float, *shape: int, center: float = 0) -> Floats | None:
        if not half_range:
            return None
        return (center + rng.uniform(-half_range, half_range, (n, *shape))).astype(np.float32)

    def chance(share: float) -> NDArray[np.bool_] | None:
        return rng.random(n) < share if share else None

    return GeometryDraw(
        flip=chance(config.flip),
        vertical_flip=chance(config.vertical_flip),
        scale=around(config.scale, 2, center=1),
        rotation=around(config.rotation),
        shift=around(config.shift, 2),
        shear=around(config.shear),
        ascan_shift=around(config.ascan_shift, CURVE_POINTS),
        bscan_motion=around(config.bscan_motion),
        elastic=around(config.elastic, 2, *(FIELD_POINTS,) * dims),
        seed=rng.integers(2**31, size=n),
    )


def move(
    images: torch.Tensor, labels: torch.Tensor, draw: GeometryDraw
) -> tuple[torch.Tensor, torch.Tensor]:
    """Move images ``(n, channel, [z,] depth, width)`` and labels ``(n, [z,] depth, width)``.

    Images are interpolated bilinearly and repeat their edge, labels take the nearest pixel and
    are 255 where it lies outside. Samples that are only mirrored keep their bits.
    """
    if draw.bends:
        shape = (*(1,) * (4 - labels.ndim), *labels.shape[1:])
        grid = _make_grid(draw, (shape[0], shape[1], shape[2]), device=images.device)
        return _sample(images, labels, grid)
    for mirrored, axis in ((draw.flip, -1), (draw.vertical_flip, -2)):
        if mirrored is not None and mirrored.any():
            images, labels = (_mirror(pixels, mirrored, axis) for pixels in (images, labels))
    return images, labels


def _mirror(pixels: torch.Tensor, mirrored: NDArray[np.bool_], axis: int) -> torch.Tensor:
    if mirrored.all():
        return pixels.flip(axis)
    chosen = torch.from_numpy(np.flatnonzero(mirrored)).to(pixels.device)
    return pixels.index_copy(0, chosen, pixels[chosen].flip(axis))


def _sample(
    images: torch.Tensor, labels: torch.Tensor, grid: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Sample at `grid` ``(n, 1 or z, depth, width, 2)``: slices are channels, or samples."""
    n, plane = len(images), images.shape[-2:]
    # what comes from outside is 0 there, so 255 in the end
    raised = labels.to(images.dtype).sub_(IGNORE)
    if grid.shape[1] == 1:
        grid = grid[:, 0]
        moved = _interpolate(images.reshape(n, -1, *plane), grid, "bilinear", "border")
        nearest = _interpolate(raised.reshape(n, -1, *plane), grid, "nearest", "zeros")
    else:
        grid = grid.flatten(0, 1)
        slices = images.transpose(1, 2)
        moved = _interpolate(slices.flatten(0, 1), grid, "bilinear", "border")
        moved = moved.view(slices.shape).transpose(1, 2)
        nearest = _interpolate(raised.reshape(-1, 1, *plane), grid, "nearest", "zeros")
    return moved.reshape(images.shape).contiguous(), nearest.add_(IGNORE).long().view(labels.shape)


def _interpolate(pixels: torch.Tensor, grid: torch.Tensor, mode: str, outside: str) -> torch.Tensor:
    return F.grid_sample(pixels, grid, mode=mode, padding_mode=outside, align_corners=False)


def _make_grid(
    draw: GeometryDraw, shape: tuple[int, int, int], *, device: torch.device
) -> torch.Tensor:
    """Compose where each output pixel comes from: x and y, -1 to 1, for grid_sample.

    Everything but an elastic field is the sum of a function of the column and one of the row,
    and an elastic field is smooth: only these go to the device.

    Returns
    -------
    grid
        ``(n, z, depth, width, 2)``; z is 1 where all slices move alike.
    """
    _, depth, width = shape
    matrix, offset = _invert(draw, depth, width)
    to_unit = 2 / np.array([width, depth])
    x = np.arange(width) - (width - 1) / 2
    y = np.arange(depth) - (depth - 1) / 2
    motion = _move_columns(draw, shape) * depth
    start = np.stack([np.broadcast_to(x, motion.shape), -motion])
    columns = np.einsum("nij,jnzw->inzw", matrix, start) + offset.T[:, :, None, None]
    rows = matrix[:, :, 1].T[:, :, None] * y
    columns, rows = columns * to_unit[:, None, None, None], rows * to_unit[:, None, None]
    field = None
    if draw.elastic is not None:
        unit_matrix = -matrix * to_unit[:, None] * depth
        controls = np.einsum("nij,nj...->in...", unit_matrix, draw.elastic[:, ::-1])
        field = _upsample(controls, shape, device=device)
    return _add_up(_to_device(columns, device), _to_device(rows, device), field)


def _add_up(columns: torch.Tensor, rows: torch.Tensor, field: torch.Tensor | None) -> torch.Tensor:
    """Add columns ``(2, n, z, width)``, rows ``(2, n, depth)`` and a field ``(2, n, z, ...)``."""
    if field is not None:
        columns = columns.expand(-1, -1, field.shape[2], -1)
    _, n, n_slices, width = columns.shape
    grid = columns.new_empty((n, n_slices, rows.shape[-1], width, 2))
    for axis in (0, 1):
        part = grid[..., axis]
        torch.add(columns[axis, :, :, None], rows[axis, :, None, :, None], out=part)
        if field is not None:
            part.add_(field[axis])
    return grid


def _invert(
    draw: GeometryDraw, depth: int, width: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Find the map from output to input: ``matrix @ (x, y) + offset``, in pixels from the centre.

    Returns
    -------
    matrix, offset
        ``(n, 2, 2)`` and ``(n, 2)``.
    """
    n = len(draw.seed)
    matrix = np.tile(np.eye(2), (n, 1, 1))
    if draw.flip is not None:
        matrix[:, 0, 0] *= np.where(draw.flip, -1, 1)
    if draw.vertical_flip is not None:
        matrix[:, 1, 1] *= np.where(draw.vertical_flip, -1, 1)
    if draw.scale is not None:
        matrix /= draw.scale[:, ::-1, None]
    if draw.rotation is not None:
        angle = np.deg2rad(draw.rotation.astype(np.float64))
        cosine, sine = np.cos(angle), np.sin(angle)
        rotation = np.stack([np.stack([cosine, -sine], -1), np.stack([sine, cosine], -1)], -2)
        matrix = matrix @ rotation
    offset = np.zeros((n, 2))
    if draw.shift is not None:
        pixels = draw.shift[:, ::-1] * np.array([width, depth])
        offset = -np.einsum("nij,nj->ni", matrix, pixels)
    if draw.shear is not None:
        shear = np.tile(np.eye(2), (n, 1, 1))
        shear[:, 1, 0] = -draw.shear * depth / (width / 2)
        matrix = matrix @ shear
    return matrix, offset


def _move_columns(draw: GeometryDraw, shape: tuple[int, int, int]) -> NDArray[np.float64]:
    """Shift of each A-scan to greater depth, in parts of the depth: ``(n, 1 or z, width)``."""
    n_slices, _, width = shape
    motion = np.zeros((len(draw.seed), 1, width))
    if draw.ascan_shift is not None:
        motion += (draw.ascan_shift @ spline_weights(width, CURVE_POINTS).T)[:, None]
    if draw.bscan_motion is not None:
        jumps = [
            size * _draw_jumps(int(seed), n_slices, width)
            for size, seed in zip(draw.bscan_motion, draw.seed, strict=True)
        ]
        motion = motion + np.stack(jumps)
    return motion


def _draw_jumps(seed: int, n_slices: int, width: int) -> NDArray[np.float64]:
    """Positions, -1 to 1, of slices ``(z, width)``, or in a single one of blocks of A-scans."""
    rng = np.random.default_rng(seed)
    if n_slices > 1:
        return np.repeat(rng.uniform(-1, 1, (n_slices, 1)), width, axis=1)
    positions = rng.uniform(-1, 1, (1, BLOCKS))
    borders = np.sort(rng.uniform(0, 1, BLOCKS - 1))
    block = np.searchsorted(borders, (np.arange(width) + 0.5) / width)
    return positions[:, block]


def _upsample(
    controls: NDArray[np.float64], shape: tuple[int, int, int], *, device: torch.device
) -> torch.Tensor:
    """Make a smooth field ``(2, n, 1 or z, depth, width)`` from control values ``(2, n, ...)``."""
    n_slices, depth, width = shape
    if controls.ndim == 5:
        controls = np.einsum("zk,cnkyx->cnzyx", spline_weights(n_slices, FIELD_POINTS), controls)
    else:
        controls = controls[:, :, None]
    rows, columns = spline_weights(depth, FIELD_POINTS), spline_weights(width, FIELD_POINTS)
    # the width first: on so few rows that it costs nothing
    return _to_device(rows, device) @ _to_device(controls @ columns.T, device)


@lru_cache(maxsize=32)
def spline_weights(length: int, n_points: int) -> NDArray[np.float64]:
    """Weights ``(length, n_points)`` of control points in a uniform cubic B-spline.

    They are positive and add up to 1, so a curve stays within its control values (de Boor, "A
    Practical Guide to Splines", 1978, chapter IX).
    """
    position = (np.arange(length) + 0.5) / length * (n_points - 3)
    first = position.astype(int)
    t = position - first
    basis = [(1 - t) ** 3, 3 * t**3 - 6 * t**2 + 4, -3 * t**3 + 3 * t**2 + 3 * t + 1, t**3]
    weights = np.zeros((length, n_points))
    for k, values in enumerate(basis):
        weights[np.arange(length), first + k] = values / 6
    return weights


def _to_device(values: NDArray[np.float64], device: torch.device) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).to(device)

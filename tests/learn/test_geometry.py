"""Changes of geometry, on grid images and their labels, with results known by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_retseg.classes import IGNORE
from napari_retseg.config import AUGMENT_PRESETS, AugmentConfig
from napari_retseg.learn.geometry import (
    CURVE_POINTS,
    FIELD_POINTS,
    GeometryDraw,
    draw_geometry,
    move,
    spline_weights,
)

NONE = AUGMENT_PRESETS["none"]
CHANGES = {
    "flip": 1.0,
    "vertical_flip": 1.0,
    "rotation": 20.0,
    "scale": 0.3,
    "shift": 0.2,
    "shear": 0.2,
    "elastic": 0.05,
    "ascan_shift": 0.1,
    "bscan_motion": 0.1,
}


def make_draw(n: int = 1, **changes: Any) -> GeometryDraw:
    """Make a draw in which nothing changes but what is given."""
    still = draw_geometry(NONE, n, np.random.default_rng(0), dims=2)
    arrays: dict[str, Any] = {name: np.asarray(value) for name, value in changes.items()}
    for name, array in arrays.items():
        arrays[name] = array.astype(np.float32) if array.dtype == float else array
    return replace(still, **arrays)


def make_pair(*shape: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Make a grid of random lines and blocks, and an image whose grey value is the label."""
    generator = torch.Generator().manual_seed(3)
    coarse = torch.randint(0, 5, [1, *(-(-n // 8) for n in shape)], generator=generator)
    labels = coarse
    for axis, n in enumerate(shape, start=1):
        labels = labels.repeat_interleave(8, axis).narrow(axis, 0, n)
    return labels[:, None].float(), labels.contiguous()


def rows_of_line(labels: torch.Tensor) -> np.ndarray:
    """Find the row of the 1 in each column of labels ``(depth, width)``."""
    found: np.ndarray = (labels == 1).long().argmax(0).numpy()
    return found


def line(depth: int, width: int, row: int) -> tuple[torch.Tensor, torch.Tensor]:
    labels = torch.zeros(1, depth, width, dtype=torch.long)
    labels[:, row] = 1
    return labels[:, None].float(), labels


def test_mirroring_alone_keeps_every_bit() -> None:
    images, labels = torch.randn(3, 2, 17, 24), torch.randint(0, 5, (3, 17, 24))
    draw = make_draw(3, flip=[True, False, True], vertical_flip=[False, False, True])
    moved, moved_labels = move(images, labels, draw)
    assert torch.equal(moved[0], images[0].flip(-1))
    assert torch.equal(moved[1], images[1])
    assert torch.equal(moved[2], images[2].flip(-1, -2))
    assert torch.equal(moved_labels[0], labels[0].flip(-1))
    assert torch.equal(moved_labels[1], labels[1])
    assert torch.equal(moved_labels[2], labels[2].flip(-1, -2))


def test_mirroring_in_the_grid_is_the_same_mirroring() -> None:
    images, labels = make_pair(32, 48)
    draw = make_draw(flip=[True], vertical_flip=[True], shift=[[0.0, 0.0]])
    moved, moved_labels = move(images, labels, draw)
    torch.testing.assert_close(moved, images.flip(-1, -2), atol=1e-4, rtol=0)
    assert torch.equal(moved_labels, labels.flip(-1, -2))


def test_shift_moves_to_greater_depth_and_repeats_the_edge() -> None:
    images, labels = make_pair(64, 40)
    moved, moved_labels = move(images, labels, make_draw(shift=[[0.25, 0.0]]))
    torch.testing.assert_close(moved[..., 16:, :], images[..., :48, :], atol=1e-4, rtol=0)
    torch.testing.assert_close(
        moved[..., :16, :], images[..., :1, :].expand(-1, -1, 16, -1), atol=1e-4, rtol=0
    )
    assert torch.equal(moved_labels[:, 16:], labels[:, :48])
    assert (moved_labels[:, :16] == IGNORE).all()


def test_shift_moves_along_the_width() -> None:
    images, labels = make_pair(24, 80)
    moved, moved_labels = move(images, labels, make_draw(shift=[[0.0, -0.1]]))
    torch.testing.assert_close(moved[..., :72], images[..., 8:], atol=1e-4, rtol=0)
    assert torch.equal(moved_labels[..., :72], labels[..., 8:])
    assert (moved_labels[..., 72:] == IGNORE).all()


@pytest.mark.parametrize("turns", [-1, 1, 2])
def test_rotation_by_right_angles_is_rot90(turns: int) -> None:
    images, labels = make_pair(48, 48)
    moved, moved_labels = move(images, labels, make_draw(rotation=[90.0 * turns]))
    torch.testing.assert_close(moved, images.rot90(turns, (-2, -1)), atol=1e-3, rtol=0)
    assert torch.equal(moved_labels, labels.rot90(turns, (-2, -1)))


def test_rotation_is_in_pixels_for_samples_that_are_not_square() -> None:
    # a disc stays a disc, and goes where the angle says
    depth, width = 40, 120
    y, x = np.mgrid[:depth, :width]
    y, x = y - (depth - 1) / 2, x - (width - 1) / 2
    labels = torch.from_numpy((np.hypot(y, x - 30) < 6).astype(np.int64))[None]
    _, moved = move(labels[:, None].float(), labels, make_draw(rotation=[20.0]))
    disc = (moved[0] == 1).numpy()
    assert disc.sum() == pytest.approx(int(labels.sum()), abs=4)
    assert y[disc].mean() == pytest.approx(-30 * np.sin(np.deg2rad(20)), abs=0.2)
    assert x[disc].mean() == pytest.approx(30 * np.cos(np.deg2rad(20)), abs=0.2)
    assert np.ptp(y[disc]) == pytest.approx(np.ptp(x[disc]), abs=1)


def test_shear_lowers_the_right_edge_and_lifts_the_left() -> None:
    images, labels = line(100, 60, 50)
    moved, moved_labels = move(images, labels, make_draw(shear=[0.1]))
    expected = 50 + 10 * (np.arange(60) - 29.5) / 30
    np.testing.assert_allclose(rows_of_line(moved_labels[0]), expected, atol=0.51)
    np.testing.assert_allclose(moved[0, 0].argmax(0).numpy(), expected, atol=0.51)


def test_scale_enlarges_depth_and_width_apart() -> None:
    y, x = np.mgrid[:60, :100]
    block = (np.abs(y - 29.5) < 5) & (np.abs(x - 49.5) < 10)
    labels = torch.from_numpy(block.astype(np.int64))[None]
    _, moved = move(labels[:, None].float(), labels, make_draw(scale=[[2.0, 1.5]]))
    kept = (moved[0] == 1).numpy()
    assert kept.any(1).sum() == 20
    assert kept.any(0).sum() == 30
    assert not (moved == IGNORE).any()
    _, smaller = move(labels[:, None].float(), labels, make_draw(scale=[[0.5, 1.0]]))
    assert (smaller == IGNORE).any(2).sum() == 30


def test_shift_after_scale_is_of_the_whole_depth() -> None:
    images, labels = line(64, 32, 32)
    _, moved = move(images, labels, make_draw(scale=[[0.5, 0.5]], shift=[[0.25, 0.0]]))
    assert (moved[0, :16] == IGNORE).all()
    row = (torch.nonzero(moved[0, :, 16] == 1) + 0.5).mean()
    assert float(row) == pytest.approx(32 + 16, abs=1)


def test_ascan_shift_follows_its_curve() -> None:
    images, labels = line(100, 96, 50)
    controls = np.zeros((1, CURVE_POINTS))
    controls[0, 4:] = 0.2
    moved, moved_labels = move(images, labels, make_draw(ascan_shift=controls))
    rows = rows_of_line(moved_labels[0])
    np.testing.assert_allclose(rows[:15], 50)
    np.testing.assert_allclose(rows[-15:], 70)
    assert (np.diff(rows) >= 0).all()
    assert np.diff(rows).max() <= 1
    assert torch.equal(moved[0, 0].argmax(0), torch.from_numpy(rows))


def test_motion_within_a_bscan_jumps_between_blocks_of_ascans() -> None:
    images, labels = line(100, 96, 50)
    moved, moved_labels = move(images, labels, make_draw(bscan_motion=[0.2], seed=[5]))
    rows = rows_of_line(moved_labels[0])
    assert 1 <= np.count_nonzero(np.diff(rows)) <= 5
    assert np.abs(rows - 50).max() <= 20
    assert np.abs(rows - 50).max() > 4
    torch.testing.assert_close(moved[0, 0].argmax(0), torch.from_numpy(rows), atol=1, rtol=0)


def test_motion_of_a_volume_moves_each_slice_as_a_whole() -> None:
    labels = torch.zeros(1, 12, 50, 30, dtype=torch.long)
    labels[:, :, 25] = 1
    moved, moved_labels = move(
        labels[:, None].float(), labels, make_draw(bscan_motion=[0.2], seed=[5])
    )
    rows = np.stack([rows_of_line(one) for one in moved_labels[0]])
    assert (rows == rows[:, :1]).all()
    assert len(np.unique(rows[:, 0])) > 6
    assert np.abs(rows - 25).max() <= 10
    torch.testing.assert_close(moved[0, 0].argmax(1), torch.from_numpy(rows).long(), atol=1, rtol=0)


def test_elastic_field_that_is_constant_is_a_shift() -> None:
    images, labels = make_pair(64, 48)
    field = np.zeros((1, 2, FIELD_POINTS, FIELD_POINTS))
    field[:, 0], field[:, 1] = 8 / 64, -4 / 64
    moved, moved_labels = move(images, labels, make_draw(elastic=field))
    torch.testing.assert_close(moved[..., 8:, :-4], images[..., :-8, 4:], atol=1e-3, rtol=0)
    assert torch.equal(moved_labels[:, 8:, :-4], labels[:, :-8, 4:])


def test_elastic_field_is_smooth_and_within_its_range() -> None:
    y = torch.arange(64.0)[:, None].expand(1, 1, 64, 64).contiguous()
    config = NONE.model_copy(update={"elastic": 0.05})
    draw = draw_geometry(config, 1, np.random.default_rng(1), dims=2)
    moved, _ = move(y, torch.zeros(1, 64, 64, dtype=torch.long), draw)
    displacement = (moved - y)[0, 0, 5:-5, 5:-5]
    assert float(displacement.abs().max()) <= 0.05 * 64 + 1e-3
    assert float(displacement.abs().max()) > 0.5
    assert float(displacement.diff(dim=1).abs().max()) < 0.5


def test_elastic_field_of_a_volume_changes_along_its_slices() -> None:
    y = torch.arange(40.0)[:, None].expand(1, 1, 16, 40, 40).contiguous()
    config = NONE.model_copy(update={"elastic": 0.08})
    draw = draw_geometry(config, 1, np.random.default_rng(1), dims=3)
    moved, _ = move(y, torch.zeros(1, 16, 40, 40, dtype=torch.long), draw)
    displacement = (moved - y)[0, 0, :, 8:-8, 8:-8]
    assert float((displacement[0] - displacement[-1]).abs().max()) > 0.5
    assert float(displacement.diff(dim=0).abs().max()) < 1


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("shape", [(48, 40), (6, 48, 40)])
def test_each_change_moves_image_and_label_alike(name: str, shape: tuple[int, ...]) -> None:
    config = NONE.model_copy(update={name: CHANGES[name]})
    draw = draw_geometry(config, 1, np.random.default_rng(4), dims=len(shape))
    assert_aligned(draw, shape)
    _, labels = make_pair(*shape)
    _, moved = move(labels[:, None].float(), labels, draw)
    assert (moved != labels).float().mean() > 0.05


@pytest.mark.parametrize("shape", [(96, 80), (7, 72, 64)])
def test_all_changes_together_keep_image_and_label_aligned(shape: tuple[int, ...]) -> None:
    config = NONE.model_copy(update=CHANGES | {"flip": 0.5, "vertical_flip": 0.5})
    rng = np.random.default_rng(8)
    for _ in range(5):
        assert_aligned(draw_geometry(config, 3, rng, dims=len(shape)), shape)


def assert_aligned(draw: GeometryDraw, shape: tuple[int, ...]) -> None:
    """Check labels against an image of the same numbers, which is interpolated exactly.

    Each pixel's number is its row (or column), so the nearest one is half a pixel away at most.
    """
    n = len(draw.seed)
    for axis in (-1, -2):
        numbers = torch.arange(shape[axis])
        numbers = (numbers if axis == -1 else numbers[:, None]).expand(n, *shape).contiguous()
        moved, labels = move(numbers[:, None].float(), numbers, draw)
        assert labels.dtype == torch.int64
        assert moved.shape == (n, 1, *shape)
        known = labels != IGNORE
        assert known.float().mean() > 0.4
        assert float((moved[:, 0] - labels)[known].abs().max()) <= 0.501


def test_samples_of_a_draw_differ() -> None:
    for name, value in CHANGES.items():
        config = NONE.model_copy(update={name: 0.5 if "flip" in name else value})
        draw = draw_geometry(config, 8, np.random.default_rng(8), dims=2)
        images, labels = make_pair(48, 40)
        moved, _ = move(images.repeat(8, 1, 1, 1), labels.repeat(8, 1, 1), draw)
        assert any(not torch.equal(moved[0], other) for other in moved[1:]), name


@pytest.mark.parametrize("dims", [2, 3])
def test_labels_of_a_volume_do_not_mix_between_slices(dims: int) -> None:
    labels = torch.arange(5)[:, None, None].expand(5, 32, 32)[None].contiguous()
    config = NONE.model_copy(update=CHANGES)
    draw = draw_geometry(config, 1, np.random.default_rng(0), dims=3)
    if dims == 2:  # one grid for all slices
        draw = replace(draw, elastic=None, bscan_motion=None)
    moved, moved_labels = move(labels[:, None].float(), labels, draw)
    for number in range(5):
        known = moved_labels[0, number] != IGNORE
        assert known.any()
        assert (moved_labels[0, number][known] == number).all()
        torch.testing.assert_close(moved[0, 0, number], torch.full((32, 32), float(number)))


def test_channels_move_together() -> None:
    images, labels = make_pair(6, 40, 40)
    config = NONE.model_copy(update=CHANGES)
    draw = draw_geometry(config, 1, np.random.default_rng(0), dims=3)
    both, _ = move(torch.cat([images, images + 10], 1), labels, draw)
    torch.testing.assert_close(both[:, 0] + 10, both[:, 1], atol=1e-4, rtol=0)


def test_not_annotated_stays_not_annotated() -> None:
    images, labels = make_pair(32, 32)
    config = AugmentConfig()
    draw = draw_geometry(config, 1, np.random.default_rng(0), dims=2)
    _, moved = move(images, torch.full_like(labels, IGNORE), draw)
    assert (moved == IGNORE).all()


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_at_zero_is_off(name: str) -> None:
    config = NONE.model_copy(update={name: CHANGES[name]})
    on = draw_geometry(config, 2, np.random.default_rng(0), dims=2)
    off = draw_geometry(NONE, 2, np.random.default_rng(0), dims=2)
    assert getattr(on, name) is not None
    assert getattr(off, name) is None
    assert on.bends == (name not in ("flip", "vertical_flip"))
    assert not off.bends


@settings(deadline=None, max_examples=25)
@given(
    angle=st.floats(-60, 60),
    shift=st.tuples(st.floats(-0.2, 0.2), st.floats(-0.2, 0.2)),
    flip=st.booleans(),
)
def test_areas_survive_what_is_rigid(angle: float, shift: tuple[float, float], flip: bool) -> None:
    y, x = np.mgrid[:80, :80]
    labels = torch.from_numpy((np.hypot(y - 39.5, x - 39.5) < 12).astype(np.int64))[None]
    draw = make_draw(rotation=[angle], shift=[shift], flip=[flip])
    _, moved = move(labels[:, None].float(), labels, draw)
    assert abs(int((moved == 1).sum()) - int(labels.sum())) <= 12


@given(length=st.integers(1, 200), n_points=st.integers(4, 12))
@settings(deadline=None, max_examples=40)
def test_spline_weights_share_out_one(length: int, n_points: int) -> None:
    weights = spline_weights(length, n_points)
    assert weights.shape == (length, n_points)
    assert (weights >= 0).all()
    np.testing.assert_allclose(weights.sum(1), 1)
    # a straight line of control points (at the knots' averages) is a straight line
    line = weights @ (np.arange(n_points) - 1)
    np.testing.assert_allclose(line, (np.arange(length) + 0.5) / length * (n_points - 3))

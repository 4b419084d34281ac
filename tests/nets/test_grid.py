from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from napari_retseg.classes import IGNORE
from napari_retseg.config import PreprocessConfig, TrainConfig
from napari_retseg.errors import InputError, UsageError
from napari_retseg.nets.grid import (
    BACKGROUND_LOGIT,
    Grid,
    pad_amount,
    pad_to_stride,
    plan_grid,
    plan_preprocess,
)


def one_hot(labels: torch.Tensor, n_classes: int = 2) -> torch.Tensor:
    return torch.nn.functional.one_hot(labels.long(), n_classes).movedim(-1, 1).float()


def centre_of_mass(weights: torch.Tensor) -> torch.Tensor:
    """Of one image ``(*spatial)``, in pixels."""
    places = torch.stack(
        torch.meshgrid(*(torch.arange(float(n)) for n in weights.shape), indexing="ij")
    )
    return (places * weights).flatten(1).sum(1) / weights.sum()


def ramp(shape: tuple[int, ...], axis: int) -> torch.Tensor:
    """An image whose value is its place along an axis."""
    size = [1] * len(shape)
    size[axis] = shape[axis]
    return torch.arange(float(shape[axis])).reshape(1, 1, *size).expand(1, 1, *shape).contiguous()


def plans(dims: int) -> st.SearchStrategy[dict[str, Any]]:
    """Settings of a grid, odd ones among them."""
    size = st.tuples(*[st.integers(24, 70)] * dims)
    resampling = st.one_of(
        st.just({}),
        st.builds(lambda n: {"every": n}, st.integers(2, 3)),
        st.builds(lambda n: {"size": n}, size),
        st.builds(lambda f: {"scale": f}, st.tuples(*[st.floats(0.4, 1.7)] * dims)),
        st.builds(lambda s: {"spacing_um": s}, st.tuples(*[st.floats(2.5, 8.0)] * dims)),
    )
    fitting = st.one_of(
        st.just({}),
        st.builds(lambda n: {"fit": n}, size),
        st.builds(lambda n: {"multiple": n}, st.sampled_from([8, 16, 32])),
    )
    return st.builds(lambda a, b: a | b, resampling, fitting)


@pytest.mark.parametrize("dims", [2, 3])
def test_regions_keep_their_place_on_the_way_there_and_back(dims: int) -> None:
    @settings(max_examples=60 if dims == 2 else 25, deadline=None)
    @given(plan=plans(dims), shape=st.tuples(*[st.integers(40, 61)] * dims), data=st.data())
    def check(plan: dict[str, Any], shape: tuple[int, ...], data: st.DataObject) -> None:
        grid = plan_grid(shape, PreprocessConfig(**plan), spacing_um=(4.0,) * dims)
        labels = torch.zeros(1, *shape, dtype=torch.uint8)
        box = []
        for n in shape:
            start = data.draw(st.integers(n // 4, n // 2))
            box.append(slice(start, start + data.draw(st.integers(9, n // 4))))
        labels[0][tuple(box)] = 1
        images = grid.to_input(one_hot(labels))
        small = grid.labels_to_input(labels)
        assert images.shape[2:] == small.shape[1:] == grid.input_shape
        assert images.is_contiguous()
        assert small.is_contiguous()
        back = grid.restore(pad_to_stride(images, 16))
        assert back.shape == (1, 2, *shape)
        if is_cut(grid, box):
            return
        coarser = max(1.0, *(n / m for n, m in zip(shape, grid.resampled, strict=True)))
        expected = centre_of_mass(labels[0].float())
        found = centre_of_mass((back.argmax(1)[0] == 1).float())
        assert (found - expected).abs().max() <= 0.51 * coarser
        # image and labels lie on each other on the input's grid
        soft = centre_of_mass(images[0, 1])
        hard = centre_of_mass((small[0] == 1).float())
        assert (soft - hard).abs().max() <= 0.51
        if "every" not in plan:
            assert (centre_of_mass(back[0, 1]) - expected).abs().max() < 0.2

    check()


def is_cut(grid: Grid, box: list[slice]) -> bool:
    """Whether a crop comes near a box of the scan."""
    sizes = zip(box, grid.shape, grid.resampled, grid.input_shape, strict=True)
    return any(
        part.start * m / n - 2 < (m - size) / 2 or part.stop * m / n + 2 > (m + size) / 2
        for part, n, m, size in sizes
    )


@pytest.mark.parametrize(
    "plan",
    [
        {"size": (37, 23)},
        {"size": (90, 111)},
        {"scale": (1.0, 0.5)},
        {"every": 2},
        {"every": 3, "fit": (32, 32)},
        {"size": (40, 40), "fit": (48, 52)},
    ],
)
@pytest.mark.parametrize("axis", [0, 1])
def test_no_pixel_moves_by_a_fraction(plan: dict[str, Any], axis: int) -> None:
    check_ramp(plan_grid((61, 77), PreprocessConfig(**plan)), axis, margin=8)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("plan", [{"size": (13, 20, 31)}, {"every": 2}, {"fit": (40, 48, 36)}])
def test_no_voxel_moves_by_a_fraction(plan: dict[str, Any], axis: int) -> None:
    check_ramp(plan_grid((25, 31, 37), PreprocessConfig(**plan)), axis, margin=4)


def check_ramp(grid: Grid, axis: int, *, margin: int) -> None:
    """Linear interpolation keeps a ramp: a shift would show in its values.

    Averages over pixels that are cut in parts waver around it, by less than a tenth of a pixel.
    """
    image = ramp(grid.shape, axis)
    off = grid.restore(grid.to_input(image)) - image
    off = off[0, 0][(slice(margin, -margin),) * len(grid.shape)]
    averaged = grid.every == 1 and any(map(int.__lt__, grid.resampled, grid.shape))
    assert off.abs().max() < (0.1 if averaged else 2e-3)
    assert off.mean().abs() < (0.01 if averaged else 1e-3)


def test_volumes_are_averaged_where_they_shrink() -> None:
    checker = (torch.arange(16) % 2).float()
    volume = checker[:, None, None] + checker[:, None] + checker
    grid = plan_grid((16, 16, 16), PreprocessConfig(size=(4, 4, 4)))
    found = grid.to_input(volume[None, None])
    torch.testing.assert_close(found, torch.full((1, 1, 4, 4, 4), 1.5), atol=0.2, rtol=0)


def test_without_a_change_nothing_is_copied() -> None:
    for shape in ((33, 47), (9, 33, 47)):
        grid = plan_grid(shape, PreprocessConfig())
        images, labels = torch.rand(2, 3, *shape), torch.zeros(2, *shape, dtype=torch.uint8)
        assert grid.to_input(images).data_ptr() == images.data_ptr()
        assert grid.labels_to_input(labels).data_ptr() == labels.data_ptr()
        logits = pad_to_stride(images, 32).bfloat16()
        back = grid.restore(logits)
        assert back.data_ptr() == logits.data_ptr()
        torch.testing.assert_close(back, images.bfloat16(), atol=0, rtol=0)


def test_every_takes_the_pixels_themselves() -> None:
    image = torch.rand(1, 1, 7, 10)
    labels = torch.arange(70, dtype=torch.uint8).reshape(1, 7, 10)
    grid = plan_grid((7, 10), PreprocessConfig(every=3))
    assert grid.input_shape == (3, 4)
    torch.testing.assert_close(grid.to_input(image), image[..., ::3, ::3], atol=0, rtol=0)
    assert grid.labels_to_input(labels).tolist() == labels[:, ::3, ::3].tolist()
    back = grid.restore(grid.to_input(image))
    torch.testing.assert_close(back[..., ::3, ::3], image[..., ::3, ::3], atol=1e-6, rtol=0)


def test_what_a_crop_cut_away_is_background() -> None:
    grid = plan_grid((20, 30), PreprocessConfig(fit=(16, 10)))
    logits = torch.zeros(1, 3, 32, 32)
    logits[:, 2] = 1
    back = grid.restore(logits)
    classes = back.argmax(1)[0]
    expected = torch.zeros(20, 30, dtype=torch.long)
    expected[2:18, 10:20] = 2
    assert classes.tolist() == expected.tolist()
    assert back[0, :, 0, 0].tolist() == [BACKGROUND_LOGIT, 0, 0]


@pytest.mark.parametrize("plan", [{"scale": (0.5, 0.5)}, {"every": 2}])
def test_what_a_crop_of_a_coarse_grid_cut_away_is_background(plan: dict[str, Any]) -> None:
    grid = plan_grid((40, 40), PreprocessConfig(fit=(10, 20), **plan))
    logits = torch.zeros(1, 2, 10, 20)
    logits[:, 1] = 1
    inside = grid.restore(logits).argmax(1)[0].bool()
    assert inside[10:29].all()
    assert not inside[:9].any()
    assert not inside[31:].any()


def test_padding_repeats_the_edge_and_is_not_annotated() -> None:
    grid = plan_grid((3, 4), PreprocessConfig(fit=(5, 7)))
    image = torch.arange(12.0).reshape(1, 1, 3, 4)
    labels = torch.full((1, 3, 4), 2, dtype=torch.uint8)
    padded = grid.to_input(image)[0, 0]
    assert padded[0].tolist() == [0, 0, 1, 2, 3, 3, 3]
    assert padded[:, 0].tolist() == [0, 0, 4, 8, 8]
    found = grid.labels_to_input(labels)[0]
    assert (found[1:4, 1:5] == 2).all()
    assert int((found == IGNORE).sum()) == 35 - 12


def test_resized_labels_keep_their_values() -> None:
    labels = torch.tensor([[[0, 0, 255, 255], [3, 3, 1, 1]]], dtype=torch.uint8)
    grid = plan_grid((2, 4), PreprocessConfig(size=(2, 2)))
    assert grid.labels_to_input(labels).tolist() == [[[0, 255], [3, 1]]]


@settings(max_examples=40, deadline=None)
@given(n=st.integers(1, 60), m=st.integers(1, 60))
def test_labels_are_resampled_as_nearest_exact(n: int, m: int) -> None:
    labels = torch.arange(n, dtype=torch.uint8).reshape(1, 1, n)
    found = plan_grid((1, n), PreprocessConfig(size=(1, m))).labels_to_input(labels)
    expected = [min(n - 1, math.floor((k + 0.5) * n / m + 1e-9)) for k in range(m)]
    assert found[0, 0].tolist() == expected


@pytest.mark.parametrize(
    ("resize", "fit", "dims", "shape", "expected"),
    [
        ("256x256", "none", "2", (496, 768), (256, 256)),
        ("none", "240x192x192", "3", (256, 180, 201), (240, 192, 192)),
        ("none", "256x256x128", "3", (256, 256, 144), (256, 256, 128)),
        ("none", "multiple:64", "3", (256, 256, 144), (256, 256, 128)),
        ("none", "multiple:32", "3", (20, 32, 70), (32, 32, 64)),
        ("every:2", "none", "2", (512, 512), (256, 256)),
        ("spacing:8x6", "none", "2", (100, 100), (50, 200)),
        ("auto", "none", "2", (496, 1024), (496, 512)),
        ("auto", "none", "3", (9, 496, 1024), (9, 496, 1024)),
    ],
)
def test_the_input_of_published_studies(
    resize: str, fit: str, dims: str, shape: tuple[int, ...], expected: tuple[int, ...]
) -> None:
    training = TrainConfig.model_validate({"resize": resize, "fit": fit, "dims": dims})
    config = plan_preprocess(training, shapes=[shape])
    grid = plan_grid(shape, config, spacing_um=(4.0, 12.0))
    images = torch.rand(1, 1, *shape)
    assert grid.input_shape == expected
    assert grid.to_input(images).shape[2:] == expected
    assert grid.restore(torch.zeros(1, 2, *expected)).shape[2:] == shape


def test_trimming_keeps_the_middle() -> None:
    grid = plan_grid((2, 144), PreprocessConfig(fit=(2, 128)))
    kept = grid.to_input(ramp((2, 144), 1))[0, 0, 0]
    assert kept.tolist() == list(range(8, 136))


def test_auto_halves_the_width_until_it_is_512() -> None:
    def factor(*widths: int) -> float:
        return plan_preprocess(TrainConfig(), shapes=[(496, w) for w in widths]).scale[1]

    assert [factor(w) for w in (300, 512, 768, 1024, 1536)] == [1, 1, 0.5, 0.5, 0.25]
    assert factor(300, 1536, 512) == 0.25


def test_the_default_plan_is_the_default_preprocessing() -> None:
    assert plan_preprocess(TrainConfig(), shapes=[(64, 64)]) == PreprocessConfig()


def test_every_option_of_the_training_reaches_the_preprocessing() -> None:
    training = TrainConfig(
        dims="2.5", neighbours=5, normalise="nyul", normalise_over="scan", n4="on", axis="2"
    )
    config = plan_preprocess(training, shapes=[(64, 64)])
    assert (config.neighbours, config.axis, config.n4) == (5, 2, True)
    assert (config.normalise, config.normalise_over) == ("nyul", "scan")
    flat = plan_preprocess(TrainConfig(neighbours=5), shapes=[(64, 64)])
    assert flat.neighbours == 1


@pytest.mark.parametrize(
    "options",
    [
        {"resize": "256x256", "dims": "3"},
        {"fit": "32x32", "dims": "3"},
        {"resize": "32x32x32"},
        {"resize": "spacing:4x4", "dims": "3"},
        {"fit": "9x9x9", "dims": "2.5"},
    ],
)
def test_sizes_have_as_many_numbers_as_the_network_has_dimensions(options: dict[str, str]) -> None:
    with pytest.raises(UsageError, match=r"has \d numbers, but the input is [23]D"):
        plan_preprocess(TrainConfig.model_validate(options), shapes=[(64, 64, 64)])


def test_a_model_of_slices_does_not_take_volumes() -> None:
    with pytest.raises(UsageError, match=r"256x256 has 2 numbers, but the input is 3D"):
        plan_grid((9, 64, 64), PreprocessConfig(size=(256, 256)))
    with pytest.raises(UsageError, match=r"scale 1x0.5"):
        plan_grid((9, 64, 64), PreprocessConfig(scale=(1.0, 0.5)))


def test_an_unknown_pixel_size_is_said_with_what_to_do() -> None:
    config = PreprocessConfig(spacing_um=(4.0, 12.0))
    with pytest.raises(InputError, match=r"^b\.png: .* along width is unknown.*4x12 µm; save"):
        plan_grid((64, 64), config, spacing_um=(4.0, None), source="b.png")
    with pytest.raises(InputError, match="along depth and width is unknown"):
        plan_grid((64, 64), config)


@pytest.mark.parametrize("shape", [(33, 64), (7, 33, 64), (1, 1)])
def test_padding_to_the_stride_repeats_the_edge_at_the_end(shape: tuple[int, ...]) -> None:
    images = torch.rand(2, 1, *shape)
    padded = pad_to_stride(images, 32)
    extra = pad_amount(shape, 32)
    assert padded.shape[2:] == tuple(n + e for n, e in zip(shape, extra, strict=True))
    assert all(n % 32 == 0 for n in padded.shape[2:])
    for one, original in zip(padded[:, 0], images[:, 0], strict=True):
        inside = one[tuple(slice(n) for n in shape)]
        torch.testing.assert_close(inside, original, atol=0, rtol=0)
        assert one.flatten()[-1] == original.flatten()[-1]


def test_sizes_that_fit_are_not_padded() -> None:
    images = torch.rand(1, 1, 64, 32)
    assert pad_amount((64, 32), 32) == (0, 0)
    assert pad_to_stride(images, 32) is images

"""The network's input grid, and the way back from it to the scan's own.

A scan is resampled (each n-th pixel, or to a size), then cropped or padded around the centre.
Positions are those of pixel centres: a resized pixel covers its share of the scan, and of each
n-th pixel the first is the scan's first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from napari_retseg.classes import IGNORE
from napari_retseg.config import (
    LARGEST_INPUT,
    NormaliseOver,
    PreprocessConfig,
    TrainConfig,
    parse_fit,
    parse_resize,
    parse_window,
)
from napari_retseg.errors import InputError, UsageError
from napari_retseg.nets.arrays import Array, ops_of
from napari_retseg.nets.n4 import import_simpleitk
from napari_retseg.plural import count_noun
from napari_retseg.records import first_problem

if TYPE_CHECKING:
    import torch

#: Widest input for which ``resize="auto"`` keeps the scan's width.
AUTO_WIDTH = 512
#: B-scans in the input of 2.5D, where nothing else is said.
NEIGHBOURS = 3
#: Logit of background where a crop has cut the scan; those of the other classes are 0.
BACKGROUND_LOGIT = 100.0

_AXES = {2: ("depth", "width"), 3: ("z", "y", "x")}


@dataclass(frozen=True, slots=True)
class Grid:
    """How one B-scan or volume lies on the network's input.

    Attributes
    ----------
    shape
        Of the scan: ``(depth, width)`` or ``(z, y, x)``.
    resampled
        Shape after resampling.
    input_shape
        Shape after cropping or padding around the centre.
    every
        Only each n-th pixel is taken; 1: sizes are changed by interpolation.
    """

    shape: tuple[int, ...]
    resampled: tuple[int, ...]
    input_shape: tuple[int, ...]
    every: int = 1

    def to_input(self, images: Array) -> Array:
        """Bring images to the input's grid.

        Parameters
        ----------
        images
            ``(n, channel, *shape)``, floating point.

        Returns
        -------
        Tensor or ndarray
            ``(n, channel, *input_shape)``, contiguous; no copy where nothing is to do.
            Interpolation is linear and averages where it shrinks; padding repeats the edge.
        """
        ops = ops_of(images)
        if self.input_shape == self.shape and self.resampled == self.shape:
            return ops.contiguous(images)
        if self.every > 1:
            images = _crop(images, [slice(None, None, self.every)] * len(self.shape))
        elif self.resampled != self.shape:
            images = ops.resize(images, self.resampled)
        cut, padding = [], []
        for before, n, size in self.fits():
            start, stop = max(0, -before), min(n, size - before)
            cut.append(slice(start, stop))
            padding.append((max(0, before), size - max(0, before) - (stop - start)))
        return ops.contiguous(ops.pad(_crop(images, cut), padding))

    def labels_to_input(self, labels: torch.Tensor) -> torch.Tensor:
        """Bring label indices ``(n, *shape)`` to the input's grid by nearest neighbour.

        Padding is 255, not annotated. Nothing is copied where nothing is to do.
        """
        fits = zip(self.shape, self.fits(), strict=True)
        for axis, (n, (before, m, size)) in enumerate(fits, start=1):
            if (n, before) == (size, 0) and n == m:
                continue
            # the scan's pixel under the centre of each pixel of the resampled grid
            place = np.arange(size) - before
            inside = (place >= 0) & (place < m)
            place = place.clip(0, m - 1)
            source = place * self.every if self.every > 1 else ((2 * place + 1) * n) // (2 * m)
            ops = ops_of(labels)
            labels = labels.index_select(axis, ops.like(source, labels))
            if not inside.all():
                labels.index_fill_(axis, ops.like(np.flatnonzero(~inside), labels), IGNORE)
        return labels.contiguous()

    def restore(self, logits: Array) -> Array:
        """Bring logits back to the scan's grid.

        Parameters
        ----------
        logits
            ``(n, class, ...)`` with at least `input_shape` pixels; what is beyond it, padding at
            the end, is left out.

        Returns
        -------
        Tensor or ndarray
            ``(n, class, *shape)``: a view where no pixel moves, else interpolated linearly in
            float32. Where a crop has cut the scan it is background.
        """
        kept, padding = [], []
        for before, n, size in self.fits():
            start, stop = max(0, before), min(size, before + n)
            kept.append(slice(start, stop))
            padding.append((max(0, -before), n - max(0, -before) - (stop - start)))
        logits = _crop(logits, kept)
        is_cut = any(map(any, padding))
        if not is_cut and self.resampled == self.shape:
            return logits
        ops = ops_of(logits)
        logits = self._resample_back(ops.pad(ops.to_float(logits), padding))
        return self._clear_cut(logits) if is_cut else logits

    def widen(self, least: Sequence[int], *, stride: int = 1) -> Grid:
        """Return the grid whose input has at least `least` pixels, and multiples of `stride`.

        The scan lies in the middle, and its edges are repeated.
        """
        pairs = zip(self.input_shape, least, strict=True)
        wanted = [max(pair) for pair in pairs]
        padding = pad_amount(wanted, stride)
        shape = tuple(n + extra for n, extra in zip(wanted, padding, strict=True))
        return replace(self, input_shape=shape)

    def fits(self) -> list[tuple[int, int, int]]:
        """Of each axis: pixels before the resampled image, its size, and the input's size.

        Pixels before it are negative where it is cut off.
        """
        pairs = zip(self.resampled, self.input_shape, strict=True)
        return [((t - m) // 2 if t >= m else -((m - t) // 2), m, t) for m, t in pairs]

    def _resample_back(self, logits: Array) -> Array:
        ops = ops_of(logits)
        if self.every == 1:
            if self.resampled == self.shape:
                return logits
            return ops.interpolate(logits, self.shape, corners=False)
        # pixel i lies on the scan's pixel every * i; behind the last one, it is repeated
        size = [self.every * (m - 1) + 1 for m in self.resampled]
        logits = ops.interpolate(logits, size, corners=True)
        return ops.pad(logits, [(0, n - m) for n, m in zip(self.shape, size, strict=True)])

    def _clear_cut(self, logits: Array) -> Array:
        """Make background of all pixels whose nearest one on the resampled grid was cut off."""
        for axis, (n, (before, m, size)) in enumerate(zip(self.shape, self.fits(), strict=True)):
            if before >= 0 and size >= m:
                continue
            place = np.arange(n)
            if self.every > 1:
                nearest = ((place + self.every // 2) // self.every).clip(max=m - 1)
            else:
                nearest = ((2 * place + 1) * m) // (2 * n)
            kept = np.flatnonzero((nearest >= -before) & (nearest < size - before))
            for outside in _around(kept, n):
                parts = [slice(None)] * len(self.shape)
                parts[axis] = outside
                cut = _crop(logits, parts)
                cut[...] = 0.0
                cut[:, :1] = BACKGROUND_LOGIT
        return logits


def _around(kept: NDArray[np.intp], n: int) -> tuple[slice, slice]:
    """What lies before and behind a run of places."""
    return slice(0, int(kept[0])), slice(int(kept[-1]) + 1, n)


def plan_grid(
    shape: tuple[int, ...],
    config: PreprocessConfig,
    *,
    spacing_um: tuple[float | None, ...] = (),
    source: object = None,
) -> Grid:
    """Plan how a B-scan or slice (2D) or a volume (3D) becomes the network's input.

    Parameters
    ----------
    shape
        ``(depth, width)`` or ``(z, y, x)``.
    spacing_um
        The pixel size, as many values; None where unknown.
    source
        The scan that errors name.

    Raises
    ------
    InputError
        Where the model asks for a pixel size and the scan's is not known.
    UsageError
        Where the configuration is for another number of dimensions.
    """
    resampled = _resampled_shape(shape, config, spacing_um, source)
    fitted = resampled
    if config.fit is not None:
        _check_dims("fit", config.fit, len(shape))
        fitted = config.fit
    elif config.multiple is not None:
        step = config.multiple
        fitted = tuple(max(step, n // step * step) for n in resampled)
    for size in (resampled, fitted):
        if math.prod(size) > max(LARGEST_INPUT, math.prod(shape)):
            prefix = "" if source is None else f"{source}: "
            raise InputError(
                f"{prefix}a scan of {_write(shape)} pixels would become an input of "
                f"{_write(size)}; choose another --resize, or another model"
            )
    return Grid(shape=shape, resampled=resampled, input_shape=fitted, every=config.every)


def _resampled_shape(
    shape: tuple[int, ...],
    config: PreprocessConfig,
    spacing_um: tuple[float | None, ...],
    source: object,
) -> tuple[int, ...]:
    dims = len(shape)
    if config.every > 1:
        return tuple(-(-n // config.every) for n in shape)
    if config.size is not None:
        _check_dims("resize", config.size, dims)
        return config.size
    if config.spacing_um is not None:
        _check_dims("resize spacing", config.spacing_um, dims)
        own = _known_spacing(spacing_um, config.spacing_um, source)
        factors = tuple(a / b for a, b in zip(own, config.spacing_um, strict=True))
    elif all(factor == 1 for factor in config.scale):
        return shape
    else:
        _check_dims("scale", config.scale, dims)
        factors = config.scale
    return tuple(max(1, round(n * factor)) for n, factor in zip(shape, factors, strict=True))


def _known_spacing(
    spacing_um: tuple[float | None, ...], wanted: tuple[float, ...], source: object
) -> tuple[float, ...]:
    axes = _AXES[len(wanted)]
    given = spacing_um or (None,) * len(axes)
    unknown = [axis for axis, size in zip(axes, given, strict=True) if size is None]
    if unknown:
        prefix = "" if source is None else f"{source}: "
        raise InputError(
            f"{prefix}the pixel size along {' and '.join(unknown)} is unknown, but the input "
            f"needs {_write(wanted)} µm; save the scan with its pixel size (TIFF, NIfTI), or use "
            "a model that was trained with another --resize"
        )
    return tuple(size for size in given if size is not None)


def _check_dims(option: str, numbers: Sequence[float], dims: int) -> None:
    if len(numbers) != dims:
        raise UsageError(
            f"{option} {_write(numbers)} has {count_noun(len(numbers), 'number')}, but the input "
            f"is {dims}D; give {dims} numbers: {', '.join(_AXES[dims])}"
        )


def _write(numbers: Sequence[float]) -> str:
    return "x".join(f"{number:g}" for number in numbers)


def plan_preprocess(config: TrainConfig, *, shapes: Sequence[tuple[int, ...]]) -> PreprocessConfig:
    """Settle the preprocessing of a training from its options.

    ``resize="auto"`` halves the width until it is at most 512 in 2D: layers run along the width,
    so a coarser one loses little and shows the network more of the eye at once. In 3D it keeps
    the grid.

    Parameters
    ----------
    shapes
        Of all training slices (2D) or volumes (3D).

    Raises
    ------
    UsageError
        Where sizes have not as many numbers as the network has dimensions, or SimpleITK is
        missing for N4.
    """
    dims = 3 if config.dims == "3" else 2
    resize, fit = parse_resize(config.resize), parse_fit(config.fit)
    numbers = {"--resize": resize.size, "--resize spacing": resize.spacing_um, "--fit": fit.size}
    for option, given in numbers.items():
        if given:
            _check_dims(option, given, dims)
    if config.n4 == "on":
        import_simpleitk()
    window = parse_window(config.window)
    if window is not None and dims == 3:
        raise UsageError(
            "--window only works with 2D networks; 3D networks choose their windows themselves"
        )
    factor = _auto_factor(shapes) if resize.kind == "auto" and dims == 2 else 1.0
    over: NormaliseOver = "scan" if dims == 3 else "bscan"
    if config.normalise_over != "auto":
        over = config.normalise_over
    values: dict[str, Any] = {
        "normalise": "percentile" if config.normalise == "auto" else config.normalise,
        "normalise_over": over,
        "n4": config.n4 == "on",
        "scale": (1.0,) * (dims - 1) + (factor,),
        "size": resize.size or None,
        "spacing_um": resize.spacing_um or None,
        "every": resize.every,
        "fit": fit.size,
        "multiple": fit.multiple,
        "window": None if window is None else window.size,
        "window_stride": 0 if window is None else window.stride,
        "neighbours": (config.neighbours or NEIGHBOURS) if config.dims == "2.5" else 1,
        "axis": int(config.axis) if dims == 2 and config.axis != "auto" else 0,
    }
    try:
        return PreprocessConfig(**values)
    except ValidationError as error:
        raise UsageError(f"the options of the input do not fit: {first_problem(error)}") from error


def _auto_factor(shapes: Sequence[tuple[int, ...]]) -> float:
    widest = max((shape[-1] for shape in shapes), default=1)
    factor = 1.0
    while widest * factor > AUTO_WIDTH:
        factor /= 2
    return factor


def pad_amount(size: Sequence[int], stride: int) -> tuple[int, ...]:
    """Pixels to add to each size so that it is a multiple of `stride`."""
    return tuple(-n % stride for n in size)


def pad_to_stride(images: Array, stride: int, *, least: Sequence[int] | None = None) -> Array:
    """Pad ``(n, channel, *spatial)`` at the end of each axis, repeating the edge.

    The sizes become multiples of `stride`, and at least `least`.
    """
    size = images.shape[2:]
    wanted = [max(pair) for pair in zip(size, least or size, strict=True)]
    pairs = zip(size, wanted, pad_amount(wanted, stride), strict=True)
    return ops_of(images).pad(images, [(0, more - n + extra) for n, more, extra in pairs])


def _crop(images: Array, parts: Sequence[slice]) -> Array:
    """View parts of the spatial axes, which are the last ones."""
    return images[(slice(None), slice(None), *parts)]

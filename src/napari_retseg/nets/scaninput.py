"""A scan as the network sees it, before it is brought to the input's grid."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from napari_retseg.config import PreprocessConfig
from napari_retseg.nets.greylevels import GreyLevels, ImageLevels, count_levels
from napari_retseg.nets.n4 import correct_bias
from napari_retseg.nets.normalise import GreyMap, apply_maps, normalise, plan_maps
from napari_retseg.nets.nyul import average_percentiles, find_percentiles
from napari_retseg.scan import OctScan, check_finite

Value = TypeVar("Value", bound=np.generic)

#: A file that is sliced across its planes is read into memory once, up to so many bytes.
_MEMORY_BYTES = 1 << 30


class ScanInput:
    """Normalised slices of a scan on its own grid, read when they are asked for.

    A B-scan is a volume of one. The whole scan is read, plane by plane and once, only where a
    normalisation takes its statistics from all of it; no pixels are kept.

    Parameters
    ----------
    scan
        Its pixels may lie in a file.
    config
        Normalisation, N4, neighbours and axis are used; the grid is
        :func:`napari_retseg.nets.grid.plan_grid`.

    Attributes
    ----------
    axis
        Along which the scan is sliced: 0, but for a volume that is not OCT `config.axis`.
    """

    def __init__(self, scan: OctScan, config: PreprocessConfig) -> None:
        self._scan = scan
        self._config = config
        self.axis = find_slicing_axis(scan, config)
        self._recent: OrderedDict[int, NDArray[np.float32]] = OrderedDict()

    @property
    def n_slices(self) -> int:
        """Number of B-scans or slices."""
        return self._scan.spatial_shape[self.axis] if self._scan.is_volume else 1

    @property
    def slice_shape(self) -> tuple[int, int]:
        """Depth and width of a slice, in pixels of the scan."""
        depth, width = self._without_axis(self._scan.spatial_shape)
        return depth, width

    @property
    def slice_spacing_um(self) -> tuple[float | None, float | None]:
        """Pixel size of a slice along its depth and width; None where unknown."""
        depth, width = self._without_axis(self._scan.spacing_um)
        return depth, width

    @property
    def n_planes(self) -> int:
        """Channels of a slice's input: those of the scan times the neighbours."""
        return self._scan.n_channels * self._config.neighbours

    def read_slice(self, index: int) -> NDArray[np.float32]:
        """Read a slice and its neighbours, normalised.

        Returns
        -------
        ndarray
            ``(neighbours * channel, depth, width)``: all channels of the slice before, of the
            slice itself, of the one behind it. Beyond the ends the last slice is repeated.
        """
        if not 0 <= index < self.n_slices:
            raise IndexError(f"slice {index} of {self.n_slices}")
        if self._config.neighbours == 1:
            return self._normalise(self._read_corrected(index))
        reach = self._config.neighbours // 2
        around = np.clip(np.arange(index - reach, index + reach + 1), 0, self.n_slices - 1)
        return np.concatenate([self._recall(int(place)) for place in around])

    def read_volume(self) -> NDArray[np.float32]:
        """Read the whole scan, normalised.

        N4 corrects it as a volume. With statistics of the scan each channel is normalised as
        one, else slice by slice.

        Returns
        -------
        ndarray
            ``(channel, z, y, x)`` in the scan's order of axes.
        """
        volume = self._read_corrected_volume()
        if self._config.normalise == "none":
            return normalise(volume, "none")
        if self._config.normalise_over == "bscan":
            slices = [self._normalise(one) for one in np.moveaxis(volume, self.axis + 1, 0)]
            return np.stack(slices, axis=self.axis + 1)
        return self._apply(volume, _levels_of_volume(volume))

    def _without_axis(self, values: tuple[Any, ...]) -> tuple[Any, ...]:
        if not self._scan.is_volume:
            return values
        return values[: self.axis] + values[self.axis + 1 :]

    def _recall(self, index: int) -> NDArray[np.float32]:
        """Normalise a slice, or return it from the last few."""
        found = self._recent.pop(index, None)
        if found is None:
            found = self._normalise(self._read_corrected(index))
        self._recent[index] = found
        if len(self._recent) > self._config.neighbours:
            self._recent.popitem(last=False)
        return found

    def _normalise(self, planes: NDArray[Any]) -> NDArray[np.float32]:
        config = self._config
        if config.normalise == "none" or config.normalise_over == "bscan":
            return normalise(planes, config.normalise, landmarks=config.landmarks)
        maps, darkest = self._scan_maps
        return apply_maps(planes, maps, darkest=darkest)

    def _apply(self, pixels: NDArray[Any], levels: list[GreyLevels]) -> NDArray[np.float32]:
        maps, darkest = self._settle(levels, pixels.dtype)
        return apply_maps(pixels, maps, darkest=darkest)

    def _settle(
        self, levels: list[GreyLevels], dtype: np.dtype[Any]
    ) -> tuple[tuple[GreyMap, ...], list[float]]:
        config = self._config
        maps = plan_maps(levels, config.normalise, dtype=dtype, landmarks=config.landmarks)
        return maps, [one.low for one in levels]

    @cached_property
    def _scan_maps(self) -> tuple[tuple[GreyMap, ...], list[float]]:
        """The maps of all slices, from one pass over the scan."""
        dtype = np.dtype(np.float32) if self._config.n4 else self._scan.pixels.dtype
        return self._settle(self.scan_levels(), dtype)

    def scan_levels(self) -> list[GreyLevels]:
        """Grey levels of each channel over the whole scan, before normalisation."""
        if self._config.n4:
            planes = (self._read_corrected(index) for index in range(self.n_slices))
            return gather_levels(planes, n_planes=self.n_slices)
        n = self._scan.n_bscans
        return gather_levels((self._scan.read_bscan(index) for index in range(n)), n_planes=n)

    def slice_levels(self) -> Iterator[list[GreyLevels]]:
        """Grey levels of each channel of one slice after the other, before normalisation."""
        for index in range(self.n_slices):
            yield [ImageLevels(channel) for channel in self._read_corrected(index)]

    def volume_levels(self) -> Iterator[list[GreyLevels]]:
        """Grey levels of each channel of what :meth:`read_volume` normalises as one.

        The whole volume, or one slice after the other; N4 has corrected it as a volume.
        """
        volume = self._read_corrected_volume()
        if self._config.normalise_over == "scan":
            yield _levels_of_volume(volume)
            return
        for one in np.moveaxis(volume, self.axis + 1, 0):
            yield [ImageLevels(channel) for channel in one]

    def _read_corrected_volume(self) -> NDArray[Any]:
        """All grey values, corrected as a volume, ``(channel, z, y, x)``."""
        volume = self._read_pixels()
        return correct_bias(volume) if self._config.n4 else volume

    def _read_corrected(self, index: int) -> NDArray[Any]:
        planes = self._read_raw(index)
        return correct_bias(planes) if self._config.n4 else planes

    def _read_raw(self, index: int) -> NDArray[Any]:
        """Read the grey values of a slice, ``(channel, depth, width)``."""
        if self.axis == 0:
            return self._scan.read_bscan(index)
        if self._kept_pixels is not None:
            kept: NDArray[Any] = self._kept_pixels.take(index, axis=self.axis + 1)
            return kept
        planes = [
            self._scan.read_bscan(z).take(index, axis=self.axis) for z in range(self._scan.n_bscans)
        ]
        return np.stack(planes, axis=1)

    @cached_property
    def _kept_pixels(self) -> NDArray[Any] | None:
        """All pixels, for slices across the planes of a file; None where they are too many."""
        pixels = self._scan.pixels
        if isinstance(pixels, np.ndarray) or pixels.nbytes <= _MEMORY_BYTES:
            return self._read_pixels()
        return None

    def _read_pixels(self) -> NDArray[Any]:
        """All grey values, ``(channel, z, y, x)``; a view where they are in memory."""
        scan = self._scan
        shape = scan.spatial_shape if scan.is_volume else (1, *scan.spatial_shape)
        if isinstance(scan.pixels, np.ndarray):
            check_finite(scan.pixels, f"{scan.source or 'the scan'}:")
            there: NDArray[Any] = scan.pixels.reshape(scan.n_channels, *shape)
            return there
        pixels = np.empty((scan.n_channels, *shape), scan.pixels.dtype)
        for index in range(scan.n_bscans):
            pixels[:, index] = scan.read_bscan(index)
        return pixels


def find_slicing_axis(scan: OctScan, config: PreprocessConfig) -> int:
    """Return the axis along which a scan is sliced: 0 for OCT, `config.axis` for other volumes."""
    return config.axis if scan.is_volume and not scan.is_oct else 0


def slice_labels(labels: NDArray[Value], axis: int) -> NDArray[Value]:
    """View labels ``(z, y, x)`` as slices ``(n, depth, width)`` along an axis."""
    return np.moveaxis(labels, axis, 0)


def unslice_labels(slices: NDArray[Value], axis: int) -> NDArray[Value]:
    """View slices ``(n, depth, width)`` as the volume ``(z, y, x)`` that they were cut from."""
    return np.moveaxis(slices, 0, axis)


def gather_levels(planes: Iterator[NDArray[Any]], *, n_planes: int) -> list[GreyLevels]:
    """Gather the grey levels of each channel from planes ``(channel, depth, width)``."""
    first = next(planes)
    counters = [
        count_levels(first.dtype, plane_size=channel.size, n_planes=n_planes) for channel in first
    ]
    for plane in _chain(first, planes):
        for counter, channel in zip(counters, plane, strict=True):
            counter.add(channel)
    return list(counters)


def _levels_of_volume(volume: NDArray[Any]) -> list[GreyLevels]:
    return gather_levels(iter(np.moveaxis(volume, 1, 0)), n_planes=volume.shape[1])


def _chain(first: NDArray[Any], rest: Iterator[NDArray[Any]]) -> Iterator[NDArray[Any]]:
    yield first
    yield from rest


class LandmarkLearner:
    """Learns the standard landmarks of nyul from one training scan after the other.

    They are learnt from what `config` normalises by: each slice, or each whole scan.

    Parameters
    ----------
    as_volumes
        The network takes volumes, which N4 corrects as a whole.
    """

    def __init__(self, config: PreprocessConfig, *, as_volumes: bool = False) -> None:
        self._config = config
        self._as_volumes = as_volumes
        self._images: list[list[NDArray[np.float64]]] = []

    def add(self, scan: OctScan) -> None:
        """Take a scan into account; of its pixels, nothing is kept."""
        source = ScanInput(scan, self._config)
        gathered: Iterable[list[GreyLevels]]
        if self._as_volumes:
            gathered = source.volume_levels()
        elif self._config.normalise_over == "scan":
            gathered = [source.scan_levels()]
        else:
            gathered = source.slice_levels()
        self._images += ([find_percentiles(channel) for channel in levels] for levels in gathered)

    def average(self) -> tuple[float, ...]:
        """Return landmarks of the first channel, then of the next.

        They are meant for ``PreprocessConfig.landmarks``.

        Raises
        ------
        InputError
            Where no image has contrast.
        """
        channels = zip(*self._images, strict=True)
        return tuple(mark for channel in channels for mark in average_percentiles(channel))

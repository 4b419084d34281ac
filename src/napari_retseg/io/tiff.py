"""TIFF: one page, a stack, ImageJ and OME, compressed or not; pages are decoded on demand."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.file_errors import check_file, collecting, reading
from napari_retseg.io.grey import Values, check_dtype, refuse_colour
from napari_retseg.io.lazy import PagedPixels, RawPixels, Rearranged, apply_scale, scaled_dtype
from napari_retseg.io.limits import check_shape
from napari_retseg.io.marks import MARK
from napari_retseg.io.tiffdirs import check_directories
from napari_retseg.io.tiffpages import (
    PHOTOMETRIC,
    as_page,
    check_jpeg,
    check_pages,
    cut_off,
    kind_of_samples,
    orientation_of,
    page_notes,
    reduce_page,
)
from napari_retseg.io.tiffscale import LETTERS, TiffFacts, read_facts
from napari_retseg.io.tiffseries import Pages, choose_pages
from napari_retseg.io.turning import ORIENTATION, UPRIGHT, turn, turn_note, turn_pair
from napari_retseg.plural import count_noun
from napari_retseg.scan import Axis, OctScan

_KIND = "a TIFF image"
#: Letters of axes that are B-scans without a word: depth, image, sequence, unknown.
_STACKED = "ZIQC"


@dataclass(frozen=True)
class _Stack:
    """How the pages of a file make a stack.

    `order` holds for each leading axis of the result its place among the file's; `samples`
    says what the samples of a pixel are.
    """

    axes: tuple[Axis, ...]
    file_shape: tuple[int, ...]
    order: tuple[int, ...]
    samples: str
    notes: tuple[str, ...] = ()


class TiffPages(PagedPixels):
    """The pages of a file, one B-scan each.

    Parameters
    ----------
    path
        The file.
    shape
        Shape in the order of the file; the samples, where they are channels, come last of the
        leading axes.
    dtype
        Type after the reduction to grey.
    numbers
        Index of each page in the file.
    samples
        What the samples of a pixel are.
    values
        What is wanted of them.
    orientation
        How the planes are turned.
    """

    def __init__(
        self,
        path: Path,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        *,
        numbers: tuple[Any, ...],
        samples: str,
        values: Values,
        orientation: int,
    ) -> None:
        super().__init__(path, shape, dtype)
        self._numbers = numbers
        self._samples = samples
        self._values = values
        self._orientation = orientation

    def _read(self, leading: tuple[int, ...]) -> NDArray[Any]:
        sample = None
        file_shape = self.shape[:-2]
        if self._samples == "channel":
            sample, leading, file_shape = leading[-1], leading[:-1], file_shape[:-1]
        page_number = int(np.ravel_multi_index(leading, file_shape)) if leading else 0
        with (
            collecting("tifffile"),
            reading(self.source, _KIND, tifffile.TiffFileError),
            tifffile.TiffFile(self.source) as tif,
        ):
            page = as_page(tif.pages[self._numbers[page_number]])
            check_jpeg(self.source, page)
            stored = page.asarray()
            if sample is not None:
                plane = np.asarray(np.take(stored, sample, axis=page.axes.index("S")))
            else:
                plane = reduce_page(
                    self.source, stored, page, samples=self._samples, values=self._values
                )
        return turn(plane, self._orientation)


class Calibrated(PagedPixels):
    """Planes whose values are taken through the slope and intercept of the file."""

    def __init__(self, pixels: PagedPixels, scale: tuple[float, float]) -> None:
        self._pixels = pixels
        self._scale = scale
        super().__init__(pixels.source, pixels.shape, scaled_dtype(pixels.dtype))

    def _read(self, leading: tuple[int, ...]) -> NDArray[Any]:
        return apply_scale(self._pixels[leading], self._scale)


def open_tiff(path: Path, values: Values, *, expected: tuple[int, ...] | None = None) -> OctScan:
    """Open a TIFF file; its pixels are decoded on demand.

    A stack without names for its axes is (bscan, depth, width); Z, T or an unnamed axis are
    the B-scans, C and samples that are no colours are channels.

    Returns
    -------
    OctScan
        With the spacing of OME or ImageJ metadata, or of a plausible resolution tag; turned and
        calibrated as the file says.

    Raises
    ------
    InputError
        Where the file is missing, empty, cut off, something else, or has too many axes or images.
    """
    size = check_file(path)
    with reading(path, _KIND):
        check_directories(path)
    with (
        collecting("tifffile") as messages,
        reading(path, _KIND, tifffile.TiffFileError),
        tifffile.TiffFile(path) as tif,
    ):
        found = choose_pages(path, tif, values) if tif.pages else None
        if found is None:
            raise cut_off(path, "it has no pages")
        if found.series.is_multifile:
            raise InputError(f"{path}: its B-scans are in several files; save them as one TIFF")
        page = check_pages(path, size, found.pages, values, messages)
        facts = read_facts(tif)
        stack = _arrange(path, found, page, facts)
        orientation = orientation_of(path, page)
        pixels = _open_pixels(path, found, page, stack, (values, orientation))
        # the samples of a pixel are decoded together
        item_bytes = pixels.dtype.itemsize * page.samplesperpixel
        check_shape(path, pixels.shape[-2:], item_bytes, held=size, expected=pixels.shape[-2:])
        check_shape(path, pixels.shape, pixels.dtype.itemsize, held=size, expected=expected)
        if facts.calibration is not None:
            pixels = _calibrate(path, pixels, facts.calibration, values)
        notes = [*page_notes(page, stack.samples, values), *found.notes, *facts.notes]
        notes += [*stack.notes, *turn_note(orientation)]
    if messages:
        notes.append(f"tifffile says: {messages[0]}")
    sizes = [facts.spacing_um.get(LETTERS[a]) for a in stack.axes if a != "channel"]
    spacing = (*sizes[:-2], *turn_pair((sizes[-2], sizes[-1]), orientation))
    return OctScan(
        pixels=pixels,
        axes=stack.axes,
        spacing_um=spacing,
        spacing_source="file" if any(spacing) else "unknown",
        source=path,
        laterality=cast("Any", facts.laterality),
        notes=tuple(notes),
        metadata={MARK: facts.mark} if facts.mark else {},
    )


def _calibrate(
    path: Path, pixels: PagedPixels, scale: tuple[float, float], values: Values
) -> PagedPixels:
    if values == "indices":
        raise InputError(
            f"{path}: has calibrated values (slope {scale[0]:g}, intercept {scale[1]:g}); save "
            "labels without calibration"
        )
    return Calibrated(pixels, scale)


def _arrange(path: Path, pages: Pages, page: tifffile.TiffPage, facts: TiffFacts) -> _Stack:
    """Name the axes of a stack; axes of length 1 count only in files that name them for us."""
    sizes = pages.sizes
    n_samples = next((n for letter, n in sizes if letter == "S"), 1)
    samples = kind_of_samples(page) if n_samples > 1 else "none"
    if facts.axes:
        names = {LETTERS[name]: cast("Axis", name) for name in facts.axes}
        leading = [(k, n) for k, n in sizes if k in names and k not in "YX"]
    else:
        names = {}
        leading = [(k, n) for k, n in sizes if n > 1 and k not in "YXS"]
    found = [names.get(letter) or _name(letter) for letter, _ in leading]
    file_shape = [n for _, n in leading]
    if samples == "channel":
        found.append("channel")
        file_shape.append(n_samples)
    if len(set(found)) < len(found) or not {"Y", "X"} <= {letter for letter, _ in sizes}:
        shown = ", ".join(f"{letter} {n}" for letter, n in sizes)
        raise InputError(
            f"{path}: has the axes {shown}, which may be channels, B-scans or time points; save "
            "one volume per file"
        )
    order = sorted(range(len(found)), key=lambda k: found[k] != "channel")
    plane: tuple[Axis, ...] = ("y", "x") if names.get("Y") == "y" else ("depth", "width")
    axes = (*(found[k] for k in order), *plane)
    odd = [letter for letter, _ in leading if letter not in _STACKED and letter not in names]
    notes = tuple(f"axis {letter} of the file is read as the B-scan axis" for letter in odd)
    return _Stack(axes, tuple(file_shape), tuple(order), samples, notes)


def _name(letter: str) -> Axis:
    return "channel" if letter == "C" else "bscan"


def _open_pixels(
    path: Path, found: Pages, page: tifffile.TiffPage, stack: _Stack, wanted: tuple[Values, int]
) -> PagedPixels:
    values, orientation = wanted
    if values == "indices" and stack.samples in ("colour", "alpha"):
        raise refuse_colour(path, "colour")
    dtype = check_dtype(path, np.dtype(page.dtype))
    plane = turn_pair((page.imagelength, page.imagewidth), orientation)
    shape = (*stack.file_shape, *plane)
    n_pages = math.prod(stack.file_shape)
    if stack.samples == "channel":
        n_pages //= page.samplesperpixel
    pixels: PagedPixels
    if len(found.pages) == n_pages:
        if page.photometric == PHOTOMETRIC.PALETTE and values == "grey":
            dtype = np.dtype(np.uint8)
        pixels = TiffPages(
            path,
            shape,
            dtype,
            numbers=tuple(p.index for p in found.pages),
            samples=stack.samples,
            values=values,
            orientation=orientation,
        )
    elif found.series.dataoffset is not None and stack.samples == "none" and _is_plain(page):
        # ImageJ writes one directory for a stack of more than 4 GB
        stored = np.dtype(found.series.dtype).newbyteorder(page.parent.byteorder)
        pixels = RawPixels(path, shape, stored=stored, offset=found.series.dataoffset)
    else:
        raise InputError(
            f"{path}: has {count_noun(len(found.pages), 'page')}, but declares {n_pages} B-scans; "
            "save it as a plain stack"
        )
    return pixels if len(stack.order) < 2 else Rearranged(pixels, stack.order)


def _is_plain(page: tifffile.TiffPage) -> bool:
    """Whether values lie in the file as they are shown."""
    return (
        page.photometric == PHOTOMETRIC.MINISBLACK
        and page.tags.valueof(ORIENTATION, UPRIGHT) == UPRIGHT
        and page.predictor == 1
        and page.fillorder == 1
    )

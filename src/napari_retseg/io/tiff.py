"""TIFF: one page, a stack, ImageJ and OME, compressed or not; pages are decoded on demand."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import tifffile
from numpy.typing import NDArray

from napari_retseg.errors import InputError
from napari_retseg.io.grey import Values, check_dtype, colour_note, reduce_rgb, refuse_colour
from napari_retseg.io.opening import check_file, collecting, reading
from napari_retseg.io.paged import PagedPixels, RawPixels, Rearranged
from napari_retseg.io.tiffscale import LETTERS, TiffFacts, read_facts
from napari_retseg.io.tiffseries import list_series, list_sizes
from napari_retseg.scan import Axis, OctScan

_KIND = "a TIFF image"
# a private tag that points into the void is another program's slip; a standard one (up to 349)
# means that the end of the file, with the description or the offsets, is missing
_CUT_OFF = re.compile(
    r"invalid page offset|invalid offset to first|failed to reshape|corrupt"
    r"|TiffTag (2\d\d|3[0-4]\d) .*invalid value offset"
)
_PHOTOMETRIC = tifffile.PHOTOMETRIC
_GREY = (_PHOTOMETRIC.MINISBLACK, _PHOTOMETRIC.MINISWHITE, _PHOTOMETRIC.PALETTE)


@dataclass(frozen=True)
class _Stack:
    """How the pages of a file make a stack.

    `order` holds for each leading axis of the result its place among the file's; `samples`
    says what the samples of a pixel are.
    """

    axes: tuple[Axis, ...]
    file_shape: tuple[int, ...]
    order: tuple[int, ...]
    samples: Literal["none", "colour", "alpha", "channel"]


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
    ) -> None:
        super().__init__(path, shape, dtype)
        self._numbers = numbers
        self._samples = samples
        self._values = values

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
            page = _page_at(tif, self._numbers[page_number])
            stored = page.asarray()
            if sample is not None:
                return np.asarray(np.take(stored, sample, axis=page.axes.index("S")))
            return _reduce(stored, page, self._samples, self._values)


def open_tiff(path: Path, values: Values) -> OctScan:
    """Open a TIFF file; its pixels are decoded on demand.

    A stack without names for its axes is (bscan, depth, width); Z, T or an unnamed axis are
    the B-scans, C and samples that are no colours are channels.

    Returns
    -------
    OctScan
        With the spacing of OME or ImageJ metadata, or of a plausible resolution tag.

    Raises
    ------
    InputError
        Where the file is missing, empty, cut off, something else, or has too many axes.
    """
    size = check_file(path)
    with (
        collecting("tifffile") as messages,
        reading(path, _KIND, tifffile.TiffFileError),
        tifffile.TiffFile(path) as tif,
    ):
        if not tif.pages or not (found := list_series(tif)):
            raise _cut_off(path, "it has no pages")
        series = found[0]
        _check_whole(path, size, series, messages)
        facts = read_facts(tif)
        stack = _arrange(path, series, facts)
        pixels = _open_pixels(path, series, stack, values)
        notes = _notes(len(found), series, stack, values)
    if messages:
        notes.append(f"tifffile says: {messages[0]}")
    spacing = tuple(facts.spacing_um.get(LETTERS[a]) for a in stack.axes if a != "channel")
    return OctScan(
        pixels=pixels,
        axes=stack.axes,
        spacing_um=spacing,
        spacing_source="file" if any(spacing) else "unknown",
        source=path,
        laterality=cast("Any", facts.laterality),
        notes=tuple(notes),
    )


def _page_at(tif: tifffile.TiffFile, number: Any) -> tifffile.TiffPage:
    page = tif.pages[number]
    return page if isinstance(page, tifffile.TiffPage) else page.aspage()


def _check_whole(
    path: Path, size: int, series: tifffile.TiffPageSeries, messages: list[str]
) -> None:
    """Find a cut-off file before its pixels are read: directories and data must lie inside."""
    if any(_CUT_OFF.search(message) for message in messages):
        raise _cut_off(path, messages[0])
    if series.is_multifile:
        raise InputError(f"{path}: its B-scans lie in several files; save them as one TIFF")
    for number, page in enumerate(series.pages):
        if page is None:
            raise _cut_off(path, f"page {number + 1} is missing")
        ends = (o + n for o, n in zip(page.dataoffsets, page.databytecounts, strict=False))
        if max(ends, default=0) > size:
            raise _cut_off(path, f"the pixels of page {number + 1} end behind it")


def _cut_off(path: Path, why: str) -> InputError:
    return InputError(f"{path}: is cut off or broken ({why}); copy or export it again")


def _arrange(path: Path, series: tifffile.TiffPageSeries, facts: TiffFacts) -> _Stack:
    """Name the axes of a stack; axes of length 1 count only in files that name them for us."""
    sizes = list_sizes(series)
    n_samples = next((n for letter, n in sizes if letter == "S"), 1)
    samples = _kind_of_samples(series.keyframe) if n_samples > 1 else "none"
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
            f"{path}: has the axes {shown}, which may be channels, B-scans or times; "
            "save one volume a file"
        )
    order = sorted(range(len(found)), key=lambda k: found[k] != "channel")
    plane: tuple[Axis, ...] = ("y", "x") if names.get("Y") == "y" else ("depth", "width")
    axes = (*(found[k] for k in order), *plane)
    return _Stack(axes, tuple(file_shape), tuple(order), samples)


def _name(letter: str) -> Axis:
    return "channel" if letter == "C" else "bscan"


def _kind_of_samples(page: tifffile.TiffPage) -> Literal["colour", "alpha", "channel"]:
    if page.photometric not in _GREY:
        return "colour"
    return "alpha" if page.extrasamples and page.samplesperpixel == 2 else "channel"


def _open_pixels(
    path: Path, series: tifffile.TiffPageSeries, stack: _Stack, values: Values
) -> PagedPixels:
    page = series.keyframe
    if values == "indices" and stack.samples in ("colour", "alpha"):
        raise refuse_colour(path, "colour")
    if page.dtype is None or series.dtype is None:
        raise InputError(f"{path}: has samples of {page.bitspersample} bits, which cannot be read")
    shape = (*stack.file_shape, page.imagelength, page.imagewidth)
    n_pages = math.prod(stack.file_shape)
    if stack.samples == "channel":
        n_pages //= page.samplesperpixel
    pixels: PagedPixels
    if len(series.pages) == n_pages:
        dtype = check_dtype(path, page.dtype)
        if page.photometric == _PHOTOMETRIC.PALETTE and values == "grey":
            dtype = np.dtype(np.uint8)
        numbers = tuple(p.index for p in series.pages if p is not None)
        pixels = TiffPages(
            path, shape, dtype, numbers=numbers, samples=stack.samples, values=values
        )
    elif series.dataoffset is not None and stack.samples == "none":
        # ImageJ writes one directory for a stack of more than 4 GB
        check_dtype(path, series.dtype)
        stored = series.dtype.newbyteorder(series.keyframe.parent.byteorder)
        pixels = RawPixels(path, shape, stored=stored, offset=series.dataoffset)
    else:
        raise InputError(
            f"{path}: has {len(series.pages)} pages where {n_pages} B-scans are named; "
            "save it as a plain stack"
        )
    return pixels if len(stack.order) < 2 else Rearranged(pixels, stack.order)


def _reduce(
    stored: NDArray[Any], page: tifffile.TiffPage, samples: str, values: Values
) -> NDArray[Any]:
    """One page as grey values, or as the numbers that it holds."""
    if samples == "colour":
        return reduce_rgb(np.moveaxis(stored, page.axes.index("S"), -1))
    if samples == "alpha":
        return np.asarray(np.take(stored, 0, axis=page.axes.index("S")))
    if values == "indices":
        return stored.astype(np.uint8) if stored.dtype == bool else stored
    if page.photometric == _PHOTOMETRIC.PALETTE and page.colormap is not None:
        return reduce_rgb((np.moveaxis(page.colormap, 0, -1) >> 8).astype(np.uint8)[stored])
    if stored.dtype == bool:
        stored = stored.astype(np.uint8) * np.uint8(255)
    if page.photometric == _PHOTOMETRIC.MINISWHITE and stored.dtype.kind == "u":
        return np.asarray(np.iinfo(stored.dtype).max - stored, stored.dtype)
    return stored


def _notes(
    n_series: int, series: tifffile.TiffPageSeries, stack: _Stack, values: Values
) -> list[str]:
    notes = []
    if values == "grey":
        if stack.samples in ("colour", "alpha"):
            notes.append(colour_note(f"colour ({_PHOTOMETRIC(series.keyframe.photometric).name})"))
        elif series.keyframe.photometric == _PHOTOMETRIC.PALETTE:
            notes.append(colour_note("palette colour"))
    if (others := n_series - 1) > 0:
        notes.append(f"{others} more image(s) of another size or kind in the file were left out")
    return notes

"""Which pages of a TIFF are the scan: series joined, previews left out, the rest refused."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import tifffile

from napari_retseg.errors import InputError
from napari_retseg.io.grey import Values
from napari_retseg.plural import agree, count_noun

#: Bits of NewSubfileType, and values of the older SubfileType.
_REDUCED_OR_MASK = 1 | 4
_OLD_REDUCED = 2
_OLD_SUBFILE_TYPE = 255
#: A preview has the proportions of its image.
_ALIKE = 0.05


@dataclass(frozen=True)
class Pages:
    """The pages that make up a scan.

    Parameters
    ----------
    series
        Where keyframe and type come from.
    pages
        In order.
    sizes
        Letter and length of each axis, those of length 1 included.
    notes
        What was joined or left out.
    """

    series: tifffile.TiffPageSeries
    pages: tuple[Any, ...]
    sizes: tuple[tuple[str, int], ...]
    notes: tuple[str, ...] = ()


def list_series(tif: tifffile.TiffFile) -> list[tifffile.TiffPageSeries]:
    """The series of a file, with their axes of length 1."""
    series = cast("Any", tif.series)
    # from 2026.5 on it is called for series whose axes are not squeezed
    return list(series(squeeze=False) if callable(series) else series)


def list_sizes(series: tifffile.TiffPageSeries) -> tuple[tuple[str, int], ...]:
    """Letter and length of each axis, those of length 1 included."""
    found = cast("Any", series)
    if hasattr(found, "get_axes"):  # before 2026.5
        letters, shape = found.get_axes(squeeze=False), found.get_shape(squeeze=False)
    else:
        letters, shape = found.axes, found.shape
    return tuple((letter, int(n)) for letter, n in zip(letters, shape, strict=True))


def choose_pages(path: Path, tif: tifffile.TiffFile, values: Values) -> Pages | None:
    """Find the pages of the scan; None where the file has none.

    Series of the same size and kind that hold one plane each are the B-scans of one volume.
    Images that are marked as reduced or as masks, and single pages beside a stack, are left out
    with a note. Nothing else is left out of labels.

    Raises
    ------
    InputError
        Where the file holds several images of which none is the scan.
    """
    found = list_series(tif)
    whole = [series for series in found if not _is_marked(series)] or found
    if not whole:
        return None
    kept, notes = _join(whole)
    if kept is None:
        chosen = _choose(path, whole, values)
        kept = Pages(chosen, tuple(chosen.pages), list_sizes(chosen))
        left = len(whole) - 1
        if left:
            notes += (
                f"{count_noun(left, 'more image')} of another size or type in the file "
                f"{agree(left, 'was', 'were')} ignored",
            )
    if (reduced := len(found) - len(whole)) > 0:
        notes += (f"smaller copies or masks in the file were ignored ({reduced})",)
    return Pages(kept.series, kept.pages, kept.sizes, notes)


def _is_marked(series: tifffile.TiffPageSeries) -> bool:
    """Whether the file marks a series as a reduced copy or as a mask."""
    page = series.keyframe
    old = page.tags.valueof(_OLD_SUBFILE_TYPE, 0)
    return bool(int(page.subfiletype) & _REDUCED_OR_MASK) or old == _OLD_REDUCED


def _plane(series: tifffile.TiffPageSeries) -> tuple[Any, ...]:
    """What planes must share to be those of one volume."""
    page = series.keyframe
    return (page.imagelength, page.imagewidth, page.dtype, page.samplesperpixel, page.photometric)


def _n_planes(series: tifffile.TiffPageSeries) -> int:
    return math.prod(n for letter, n in list_sizes(series) if letter not in "YXS")


def _join(found: list[tifffile.TiffPageSeries]) -> tuple[Pages | None, tuple[str, ...]]:
    """The pages of all series as one volume, where they can be that."""
    if len(found) < 2 or len({_plane(series) for series in found}) > 1:
        return None, ()
    if not all(_n_planes(s) == 1 or s.kind in ("generic", "uniform") for s in found):
        return None, ()
    pages = [page for series in found for page in series.pages]
    if any(page is None or not isinstance(page.index, int) for page in pages):
        return None, ()
    pages.sort(key=lambda page: page.index if page is not None else 0)
    plane = tuple((k, n) for k, n in list_sizes(found[0]) if k in "YXS")
    note = f"{len(found)} images of the same size in the file are read as one volume"
    return Pages(found[0], tuple(pages), (("I", len(pages)), *plane)), (note,)


def _choose(
    path: Path, found: list[tifffile.TiffPageSeries], values: Values
) -> tifffile.TiffPageSeries:
    """The series that the others are only beside."""
    if len(found) == 1:
        return found[0]
    ranked = sorted(found, key=lambda series: (_n_planes(series), _area(series)), reverse=True)
    first, *others = ranked
    beside = all(
        _n_planes(other) == 1 and (_n_planes(first) > 1 or _is_preview(other, first))
        for other in others
    )
    if not beside or values == "indices":
        shown = ", ".join(
            f"{_n_planes(s)} of {s.keyframe.imagelength} x {s.keyframe.imagewidth}"
            for s in found[:4]
        )
        raise InputError(
            f"{path}: contains {len(found)} images, and it is not clear which is the scan "
            f"({shown}); save one volume per file"
        )
    return first


def _area(series: tifffile.TiffPageSeries) -> int:
    return int(series.keyframe.imagelength * series.keyframe.imagewidth)


def _is_preview(other: tifffile.TiffPageSeries, first: tifffile.TiffPageSeries) -> bool:
    """Whether an image is a smaller copy of another, by its proportions."""
    small, large = other.keyframe, first.keyframe
    down = small.imagelength / large.imagelength
    across = small.imagewidth / large.imagewidth
    return bool(max(down, across) <= 0.5 and abs(down - across) <= _ALIKE)

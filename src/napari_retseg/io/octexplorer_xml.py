"""Surfaces as OCTExplorer (The Iowa Reference Algorithms) writes them: boundaries of a scan.

Rows are counted from 0, as the file has them; B-scans and A-scans are in the order of the scan's
file. An A-scan of the undefined region has no boundary.

Files of this program have a processing instruction, which others pass over: the mark of the scan
that they belong to. In these files -0 stands for no row, and other rows of the undefined region
count: the format has one such region for all boundaries.
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, cast
from xml.parsers import expat
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from napari_retseg import __version__
from napari_retseg.errors import InputError
from napari_retseg.io.atomic import replace_atomically
from napari_retseg.io.file_errors import check_file, reading
from napari_retseg.io.limits import LARGEST_PLANE, MOST_PLANES
from napari_retseg.io.marks import is_mark, make_mark
from napari_retseg.io.orientation import boundaries_to_file_order
from napari_retseg.io.scale import to_um
from napari_retseg.plaintext import make_visible
from napari_retseg.regular import open_regular
from napari_retseg.scan import OctScan

_KIND = "an OCTExplorer XML file"
_LARGEST = 512 * 2**20
_DEEPEST = 16
_LONGEST_TEXT = 1000
_MOST_SURFACES = 64
_BLOCK = 1 << 20
_REFUSED = (b"<!DOCTYPE", b"<!ENTITY", b"\0")
_LONGEST_MARK = 9
#: "ILM (ILM)": what stands in brackets is the short name.
_SHORT = re.compile(r".*\((?P<short>[^()]+)\)\s*")

_MARK = re.compile(r'scan="(?P<mark>[0-9a-f-]{1,40})"')
_ROOT = "surfaces"
_SCAN = f"{_ROOT}/scan_characteristics"
_Y = f"{_ROOT}/surface/bscan/y"
_BSCAN = f"{_ROOT}/surface/bscan"
_SURFACE = f"{_ROOT}/surface"
_ASCAN = f"{_ROOT}/undefined_region/ascan"

_AXES = "            <x>{x}</x>\n            <y>{y}</y>\n            <z>{z}</z>\n"
_HEAD = """<?xml version="1.0" encoding="UTF-8"?>
<?napari-retseg scan="{mark}"?>
<surfaces>
    <version>4.0.0</version>
    <executable>
        <name>napari-retseg</name>
        <version>{program}</version>
    </executable>
    <scan_characteristics>
        <manufacturer>{maker}</manufacturer>
        <size>
            <unit>voxel</unit>
{size}        </size>
        <voxel_size>
            <unit>mm</unit>
{voxel}        </voxel_size>
        <laterality>{eye}</laterality>
    </scan_characteristics>
    <unit>voxel</unit>
    <surface_size>
        <x>{width}</x>
        <z>{n_bscans}</z>
    </surface_size>
    <surface_num>{n_surfaces}</surface_num>
"""


@dataclass(frozen=True)
class Surfaces:
    """Boundaries of a scan, and what their file says of it.

    Attributes
    ----------
    boundaries
        Rows by name, each (bscan, width), float32, NaN where undefined.
    shape
        Of the scan: (bscan, depth, width).
    spacing_um
        Voxel size (bscan, depth, width); None where the file has none.
    mark
        Of the scan that they belong to, where this program wrote them
        (:mod:`napari_retseg.io.marks`); None in other files.
    laterality, center, scanner
        Eye, centre of the scan (such as ``macula``) and manufacturer; None where not given.
    """

    boundaries: Mapping[str, NDArray[np.float32]]
    shape: tuple[int, int, int]
    spacing_um: tuple[float | None, float | None, float | None]
    laterality: Literal["OD", "OS"] | None
    center: str | None
    scanner: str | None
    mark: str | None = None


@dataclass
class _Parser:
    """Takes the elements of a file, one after the other."""

    path: Path
    stack: list[str] = field(default_factory=list)
    text: list[str] = field(default_factory=list)
    length: int = 0
    values: dict[str, str] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    rows: list[array[float]] = field(default_factory=list)
    lengths: list[list[int]] = field(default_factory=list)
    ascan: dict[str, float] = field(default_factory=dict)
    undefined: array[int] = field(default_factory=lambda: array("q"))
    mark: str | None = None

    def start(self, name: str, _attributes: object) -> None:
        self.stack.append(name)
        if self.stack[0] != _ROOT or len(self.stack) > _DEEPEST:
            raise InputError(f"{self.path}: not {_KIND}; save the surfaces in OCTExplorer again")
        self.text.clear()
        self.length = 0
        place = "/".join(self.stack)
        if place == _SURFACE:
            if len(self.rows) == _MOST_SURFACES:
                raise InputError(f"{self.path}: has more than {_MOST_SURFACES} surfaces")
            self.rows.append(array("f"))
            self.lengths.append([])
            self.names.append("")
        elif place == _BSCAN:
            if len(self.lengths[-1]) == MOST_PLANES:
                raise InputError(f"{self.path}: has more than {MOST_PLANES:,} B-scans")
            self.lengths[-1].append(0)

    def instruct(self, target: str, data: str) -> None:
        found = _MARK.fullmatch(data) if target == "napari-retseg" else None
        if found and is_mark(found["mark"]):
            self.mark = found["mark"]

    def characters(self, data: str) -> None:
        self.length += len(data)
        if self.length > _LONGEST_TEXT and data.strip():
            raise InputError(f"{self.path}: has a text of more than {_LONGEST_TEXT} characters")
        self.text.append(data)

    def end(self, _name: str) -> None:
        place = "/".join(self.stack)
        text = "".join(self.text).strip()
        self.stack.pop()
        self.text.clear()
        self.length = 0
        if place == _Y:
            self.rows[-1].append(self._number(text))
            self.lengths[-1][-1] += 1
        elif place == f"{_SURFACE}/name":
            self.names[-1] = text
        elif place.startswith(f"{_ASCAN}/"):
            self.ascan[place[-1]] = self._number(text)
        elif place == _ASCAN:
            pair = [self.ascan.pop(axis, -1.0) for axis in "xz"]
            self.undefined.extend(int(n) if n.is_integer() else -1 for n in pair)
        elif place.startswith((_SCAN, f"{_ROOT}/surface_size", f"{_ROOT}/unit")) and text:
            self.values.setdefault(place.removeprefix(f"{_ROOT}/"), text)

    def _number(self, text: str) -> float:
        try:
            return float(text)
        except ValueError as error:
            shown = make_visible(text[:20])
            raise InputError(
                f"{self.path}: {shown!r} in {self.stack[-1]} is not a number; save it again"
            ) from error

    def refuse(self, *_: object) -> None:
        raise InputError(
            f"{self.path}: declares a document type or is in UTF-16, so it is not read"
        )


def read_surfaces(path: Path) -> Surfaces:
    """Read the surfaces of a scan.

    Raises
    ------
    InputError
        Where the file cannot be read, or its surfaces have other sizes than it says.
    """
    size = check_file(path)
    if size > _LARGEST:
        raise InputError(f"{path}: too large for surfaces (limit {_LARGEST // 2**20} MB)")
    parsed = _Parser(path)
    # ValueError: numbers that are none
    with reading(path, _KIND, expat.ExpatError):
        parser = expat.ParserCreate()
        parser.buffer_text = True
        parser.StartElementHandler = parsed.start
        parser.EndElementHandler = parsed.end
        parser.CharacterDataHandler = parsed.characters
        parser.ProcessingInstructionHandler = parsed.instruct
        parser.StartDoctypeDeclHandler = parsed.refuse
        parser.EntityDeclHandler = parsed.refuse
        with open_regular(path) as stream:
            before = b""
            while block := stream.read(_BLOCK):
                # expat would expand entities up to the end of a block before it is stopped; a NUL
                # is of UTF-16, which would hide them
                if any(mark in before + block for mark in _REFUSED):
                    parsed.refuse()
                before = block[-_LONGEST_MARK:]
                parser.Parse(block, False)
            parser.Parse(b"", True)
        return _gather(path, parsed)


def _gather(path: Path, parsed: _Parser) -> Surfaces:
    if not {"surface_size/x", "surface_size/z"} <= parsed.values.keys():
        raise InputError(f"{path}: says nothing of the size of its surfaces; save it again")
    width, n_bscans = (int(parsed.values[f"surface_size/{axis}"]) for axis in "xz")
    if parsed.values.get("unit", "voxel") != "voxel":
        raise InputError(
            f"{path}: surfaces in {parsed.values['unit'][:20]!r} are not read, only voxel"
        )
    if not parsed.rows:
        raise InputError(f"{path}: contains no surfaces")
    _check_lengths(path, parsed, (n_bscans, width))
    rows = np.stack([np.asarray(one, np.float32) for one in parsed.rows])
    rows = rows.reshape(len(parsed.rows), n_bscans, width)
    if not np.isfinite(rows).all():
        raise InputError(f"{path}: contains rows that are not finite; save it again")
    _clear_undefined(path, rows, parsed.undefined, is_ours=parsed.mark is not None)
    scan = {k.removeprefix("scan_characteristics/"): v for k, v in parsed.values.items()}
    depth = int(scan.get("size/y", 0))
    laterality = scan.get("laterality", "").upper()
    return Surfaces(
        boundaries=dict(zip(_name(parsed.names, parsed.mark), rows, strict=True)),
        shape=(n_bscans, depth, width),
        spacing_um=cast("Any", tuple(_read_size(scan, axis) for axis in "zyx")),
        laterality=cast("Any", laterality) if laterality in ("OD", "OS") else None,
        center=make_visible(scan["center_type"]) if "center_type" in scan else None,
        scanner=make_visible(scan["manufacturer"]) if "manufacturer" in scan else None,
        mark=parsed.mark,
    )


def _check_lengths(path: Path, parsed: _Parser, plane: tuple[int, int]) -> None:
    """Each surface has a row for each A-scan."""
    n_bscans, width = plane
    if min(plane) < 1 or 4 * n_bscans * width > LARGEST_PLANE:
        raise InputError(f"{path}: declares {n_bscans} B-scans of {width} A-scans")
    for number, lengths in enumerate(parsed.lengths):
        if len(lengths) != n_bscans:
            raise InputError(
                f"{path}: surface {number} has {len(lengths)} of {n_bscans} B-scans; save it again"
            )
        for bscan, found in enumerate(lengths):
            if found != width:
                raise InputError(
                    f"{path}: surface {number} has {found} of {width} rows in B-scan {bscan}; "
                    "save it again"
                )


def _clear_undefined(
    path: Path, rows: NDArray[np.float32], undefined: array[int], *, is_ours: bool
) -> None:
    """Take the rows out of A-scans where nothing was found; the file lists them as x, z."""
    pairs = np.asarray(undefined, np.int64).reshape(-1, 2)
    limits = (rows.shape[2], rows.shape[1])
    if ((pairs < 0) | (pairs >= limits)).any():
        raise InputError(f"{path}: its undefined region lies outside the scan; save it again")
    if is_ours:
        rows[(rows == 0) & np.signbit(rows)] = np.nan
    else:
        rows[:, pairs[:, 1], pairs[:, 0]] = np.nan


def _name(names: list[str], mark: str | None) -> Iterator[str]:
    """Short names where all have a different one, else whole names, else numbers."""
    found = [_SHORT.fullmatch(name) if mark is None else None for name in names]
    short = [m["short"].strip() if m else n for m, n in zip(found, names, strict=True)]
    for wanted in (short, names, [f"surface {k}" for k in range(len(names))]):
        if len(set(wanted)) == len(wanted) and all(wanted):
            yield from map(make_visible, wanted)
            return


def _read_size(scan: Mapping[str, str], axis: str) -> float | None:
    text = scan.get(f"voxel_size/{axis}")
    return None if text is None else to_um(float(text), scan.get("voxel_size/unit", "mm"))


def write_surfaces(
    path: Path, boundaries: Mapping[str, NDArray[np.floating[Any]]], scan: OctScan
) -> Path:
    """Write boundaries as OCTExplorer does, in the order of the scan's file, atomically.

    The format has one undefined region for all surfaces: an A-scan where any boundary is NaN is
    in it. This program reads the other rows of such an A-scan again.

    Parameters
    ----------
    path
        The file.
    boundaries
        Rows by name, each (bscan, width), in the order of the scan as it was read.
    scan
        The scan; its pixel size is written where it is known.

    Raises
    ------
    InputError
        Where there are none, they do not fit the scan, or the system refuses to write.
    """
    rows = boundaries_to_file_order(path, boundaries, scan)
    undefined = np.isnan(np.stack(list(rows.values()))).any(axis=0)
    with replace_atomically(path) as temporary, temporary.open("w", encoding="utf-8") as stream:
        stream.write(_write_head(scan, len(rows)))
        for number, (name, values) in enumerate(rows.items()):
            stream.writelines(_write_surface(number, name, values))
        stream.write("    <undefined_region>\n")
        for bscan, ascan in np.argwhere(undefined):
            stream.write(
                f"        <ascan>\n            <x>{ascan}</x>\n            <z>{bscan}</z>\n"
                "        </ascan>\n"
            )
        stream.write("    </undefined_region>\n</surfaces>\n")
    return path


def _write_head(scan: OctScan, n_surfaces: int) -> str:
    depth, width = scan.spatial_shape[-2:]
    spacing = scan.spacing_um if scan.is_volume else (None, *scan.spacing_um)
    between, down, across = (f"{um / 1000:.6f}" if um else "0" for um in spacing)
    return _HEAD.format(
        mark=make_mark(scan),
        program=__version__,
        maker=escape(make_visible(scan.device or "NA")),
        size=_AXES.format(x=width, y=depth, z=scan.n_bscans),
        voxel=_AXES.format(x=across, y=down, z=between),
        eye=scan.laterality or "NA",
        width=width,
        n_bscans=scan.n_bscans,
        n_surfaces=n_surfaces,
    )


def _write_surface(number: int, name: str, rows: NDArray[Any]) -> Iterator[str]:
    yield f"    <surface>\n        <label>{10 * (number + 1)}</label>\n"
    yield f"        <name>{escape(make_visible(name))}</name>\n        <instance>NA</instance>\n"
    for line in rows:
        yield "        <bscan>\n"
        # whole rows, as OCTExplorer's own; others to a thousandth
        yield "".join(f"            <y>{_write_row(float(y))}</y>\n" for y in line)
        yield "        </bscan>\n"
    yield "    </surface>\n"


def _write_row(row: float) -> str:
    # a row that is nearly 0 is no -0
    return "-0" if np.isnan(row) else f"{round(row, 3) + 0.0:.9g}"

"""The scan: pixels with axes, a scale that says where it came from, and provenance."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from napari_retseg.acquisition import Acquisition
from napari_retseg.errors import InputError
from napari_retseg.regular import open_regular
from napari_retseg.volume_path import split_volume

Axis = Literal["channel", "bscan", "depth", "width", "z", "y", "x"]
SpacingSource = Literal["file", "derived", "user", "unknown"]
Laterality = Literal["OD", "OS"]

#: Plausible OCT: axial and lateral pixel size in um, width of the field in mm.
AXIAL_UM = (1.0, 10.0)
LATERAL_UM = (2.0, 40.0)
WIDTH_MM = (2.0, 20.0)

#: Keys of `OctScan.metadata`: rows of the device's boundaries by name, each (bscan, width), counted
#: from 0, NaN where there is none (a pixel lies below a boundary when its row is greater); the
#: pixel size of the fundus image in um, (down, across); and what kind of image that is: "SLO",
#: "fundus" (a photograph) or, where it is not known, "en face".
BOUNDARIES = "boundaries"
FUNDUS_UM = "fundus_spacing_um"
FUNDUS_KIND = "fundus_kind"

_SPATIAL: tuple[tuple[Axis, ...], ...] = (
    ("bscan", "depth", "width"),
    ("depth", "width"),
    ("z", "y", "x"),
    ("y", "x"),
)


@dataclass(frozen=True)
class OctScan:
    """One scan: a B-scan, a volume of B-scans, or a volume that is not OCT.

    Parameters
    ----------
    pixels
        Array-like with shape, dtype and slicing: numpy, or B-scans that are read when they are
        asked for (:class:`napari_retseg.io.lazy.PagedPixels`). Grey values.
    axes
        One name for each dimension: ``("bscan", "depth", "width")``, ``("depth", "width")``,
        ``("z", "y", "x")`` or ``("y", "x")``, with an optional leading ``"channel"``.
    spacing_um
        Pixel size in um for each axis but the channel; None where unknown.
    spacing_source
        Where the spacing came from; axes that were derived are in `acquisition`.
    source
        The file or folder it was read from, ``file#2`` for the third of several volumes.
    affine
        NIfTI affine (4, 4), kept so that labels return to the same grid.
    fundus
        En-face image (SLO) of the same eye, if the file has one.
    bscans_declared
        How many B-scans the file says it holds; `n_bscans` is how many were read.
    notes
        What the reader has to tell the user (colour reduced to grey, implausible spacing).
    acquisition
        What the file says of how the scan was made: positions, quality, what is missing.
    """

    pixels: Any
    axes: tuple[Axis, ...]
    spacing_um: tuple[float | None, ...] = ()
    spacing_source: SpacingSource = "unknown"
    source: Path | None = None
    laterality: Laterality | None = None
    device: str | None = None
    scan_pattern: str | None = None
    patient_key: str | None = None
    affine: NDArray[np.float64] | None = None
    fundus: NDArray[Any] | None = None
    bscans_declared: int | None = None
    notes: tuple[str, ...] = ()
    acquisition: Acquisition = field(default_factory=Acquisition)
    metadata: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if len(self.axes) != self.pixels.ndim:
            raise ValueError(f"axes {self.axes} do not fit pixels of shape {self.pixels.shape}")
        if self.spatial_axes not in _SPATIAL:
            raise ValueError(f"axes {self.axes} are not those of a scan")
        if not self.spacing_um:
            object.__setattr__(self, "spacing_um", (None,) * len(self.spatial_axes))
        if len(self.spacing_um) != len(self.spatial_axes):
            raise ValueError(f"spacing {self.spacing_um} does not fit axes {self.spatial_axes}")

    @property
    def spatial_axes(self) -> tuple[Axis, ...]:
        """The axes without the channel."""
        return self.axes[1:] if self.axes[0] == "channel" else self.axes

    @property
    def spatial_shape(self) -> tuple[int, ...]:
        """The shape without the channel: the shape of the labels."""
        shape: tuple[int, ...] = tuple(self.pixels.shape)
        return shape[1:] if self.axes[0] == "channel" else shape

    @property
    def n_channels(self) -> int:
        """Number of channels; 1 without a channel axis."""
        return int(self.pixels.shape[0]) if self.axes[0] == "channel" else 1

    @property
    def is_volume(self) -> bool:
        """Whether the scan has a third spatial axis."""
        return len(self.spatial_axes) == 3

    @property
    def is_oct(self) -> bool:
        """Whether the axes are those of OCT."""
        return self.spatial_axes[-1] == "width"

    @property
    def n_bscans(self) -> int:
        """Number of B-scans (or slices); 1 for a single one."""
        return self.spatial_shape[0] if self.is_volume else 1

    def read_bscan(self, index: int) -> NDArray[Any]:
        """Read one B-scan into memory.

        Returns
        -------
        ndarray
            Shape ``(channel, depth, width)``, in the scan's own dtype.

        Raises
        ------
        InputError
            Where it holds values that are not finite, or cannot be read.
        """
        if not 0 <= index < self.n_bscans:
            raise IndexError(f"B-scan {index} of {self.n_bscans}")
        pixels = self.pixels
        if self.is_volume:
            pixels = pixels[:, index] if self.axes[0] == "channel" else pixels[index]
        plane = np.asarray(pixels)
        check_finite(plane, f"{self.source or 'the scan'}: B-scan {index}")
        return plane if self.axes[0] == "channel" else plane[np.newaxis]

    def with_spacing(self, spacing_um: tuple[float | None, ...]) -> OctScan:
        """Return the scan with a spacing that the user gave."""
        return replace(self, spacing_um=spacing_um, spacing_source="user")


def check_finite(pixels: NDArray[Any], name: str) -> None:
    """Refuse grey values that are NaN or infinite: a network turns them to background.

    Raises
    ------
    InputError
        Naming what holds them.
    """
    # of all values the least and the largest are finite exactly where all are
    if pixels.dtype.kind != "f" or pixels.size == 0:
        return
    with np.errstate(invalid="ignore"):
        ends = (pixels.min(), pixels.max())
    if not np.isfinite(ends).all():
        raise InputError(
            f"{name} contains values that are not finite (NaN or infinite); replace them in "
            "the file"
        )


def hash_path(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's files in order.

    Of one of several volumes of a file (``file#2``) its number counts, too.

    Raises
    ------
    InputError
        Where a file is no regular one, or may not be read.
    OSError
        Where the system fails to read it.
    """
    file, volume = split_volume(path)
    if file.is_dir():
        files = sorted(p for p in file.rglob("*") if p.is_file())
        return hash_files(files, folder=file, volume=volume)
    return hash_files([file], volume=volume)


def hash_files(
    files: Iterable[Path], *, folder: Path | None = None, volume: int | None = None
) -> str:
    """SHA-256 of the contents of files, and of their names from `folder` where it is given.

    Raises
    ------
    InputError
        Where a file is no regular one, or may not be read.
    OSError
        Where the system fails to read it.
    """
    digest = hashlib.sha256()
    if volume is not None:
        digest.update(b"#%d" % volume)
    for file in files:
        if folder is not None:
            digest.update(os.fsencode(file.relative_to(folder).as_posix()))
        with open_regular(file) as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    return digest.hexdigest()


def check_spacing(scan: OctScan) -> tuple[str, ...]:
    """Say what is implausible about the spacing of an OCT scan; empty where all is well.

    Plausible is 1-10 um axially, 2-40 um across and a field of 2-20 mm.
    """
    if not scan.is_oct:
        return ()
    axial, lateral = scan.spacing_um[-2:]
    found = []
    if axial is not None and not AXIAL_UM[0] <= axial <= AXIAL_UM[1]:
        found.append(f"axial pixel size {axial:g} µm is outside {AXIAL_UM[0]:g}-{AXIAL_UM[1]:g} µm")
    if lateral is not None:
        if not LATERAL_UM[0] <= lateral <= LATERAL_UM[1]:
            limits = f"{LATERAL_UM[0]:g}-{LATERAL_UM[1]:g} µm"
            found.append(f"lateral pixel size {lateral:g} µm is outside {limits}")
        width_mm = lateral * scan.spatial_shape[-1] / 1000
        if not WIDTH_MM[0] <= width_mm <= WIDTH_MM[1]:
            found.append(f"a width of {width_mm:.3g} mm is outside 2-20 mm")
    return tuple(found)

"""A small scan of each kind of device, as a file or a folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_retseg.io import read_scan
from napari_retseg.io.octexplorer_xml import write_surfaces
from tests.io import dicomfiles, e2e_file, heyex_export, octfiles, topconfile, topconscan
from tests.volfile import write_vol

STACK = dicomfiles.make_stack()
_N, _DEPTH, _WIDTH = STACK.shape


def make_vol(folder: Path) -> Path:
    rows = np.full((2, 5, 96), 20.0)
    rows[1] = 50
    return write_vol(folder / "eye.vol", (5, 64, 96), boundaries=rows)


def make_export(folder: Path) -> Path:
    heyex_export.write_export(folder / "export", heyex_export.PLAIN)
    return folder / "export"


def make_xml(folder: Path) -> Path:
    return heyex_export.write_export(folder / "export", heyex_export.PLAIN)


def make_e2e(folder: Path) -> Path:
    return e2e_file.write_e2e(folder / "eye.E2E", e2e_file.PLAIN)


def make_fda(folder: Path) -> Path:
    photo = np.full((40, 40, 3), (200, 90, 40), np.uint8)
    place = topconfile.regions((10, 10, 30, 30), (0, 0, 0, 0))
    chunks = (("@IMG_FUNDUS", topconfile.photograph(photo)), ("@REGIST_INFO", place))
    return topconfile.write(folder / "eye.fda", *topconscan.BASIC, *chunks)


def make_fds(folder: Path) -> Path:
    seen = np.ascontiguousarray(topconscan.STACK.mean(axis=1).astype(np.uint8))
    chunk = ("@IMG_PROJECTION", topconfile.projection(seen))
    return topconfile.write(folder / "eye.fds", *topconscan.BASIC, chunk, kind=b"FDS")


def make_img(folder: Path) -> Path:
    path = folder / "P1_Macular Cube 20x4_2-28-2011_14-42-18_OD_sn1_cube_z.img"
    cube = np.random.default_rng(0).integers(0, 255, (4, 1024, 20), dtype=np.uint8)
    path.write_bytes(cube.tobytes())
    return path


def make_bioptigen(folder: Path) -> Path:
    return octfiles.write_bioptigen(folder / "bioptigen.OCT", STACK.astype(np.uint16))


def make_optovue(folder: Path) -> Path:
    text = octfiles.describe_optovue((_WIDTH, _N, 7.0, 0.6), depth=_DEPTH)
    return octfiles.write_optovue(folder / "optovue.OCT", STACK.astype(np.float32), text=text)


def make_dicom(folder: Path) -> Path:
    lines = dicomfiles.place_lines(_N, _WIDTH)
    return dicomfiles.save(folder / "eye.dcm", dicomfiles.make_opt(STACK, lines=lines))


def make_frames(folder: Path) -> Path:
    return dicomfiles.save_frames(folder / "frames", STACK)


def make_with_surfaces(folder: Path) -> Path:
    """With boundaries of OCTExplorer beside it."""
    path = make_dicom(folder)
    rows = np.full((_N, _WIDTH), 9.0, np.float32)
    write_surfaces(
        folder / "eye_Surfaces_Iowa.xml", {"ILM": rows, "OB_RPE": rows + 20}, read_scan(path)
    )
    return path


#: What each kind is opened as: the names of its layers behind the name of the scan.
KINDS: dict[Callable[[Path], Path], tuple[str, ...]] = {
    make_vol: (" SLO", "", " device layers"),
    make_export: (" SLO", ""),
    make_xml: (" SLO", ""),
    make_e2e: (" SLO", ""),
    make_fda: (" fundus", ""),
    make_fds: (" en face", ""),
    make_img: ("",),
    make_bioptigen: ("",),
    make_optovue: ("",),
    make_dicom: ("",),
    make_frames: ("",),
    make_with_surfaces: ("", " device layers"),
}

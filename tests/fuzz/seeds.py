"""Small right files of every kind that the product reads, one folder a kind."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import nibabel as nib
import numpy as np
import tifffile
from PIL import Image
from scipy.io import savemat

from napari_retseg.classes import LabelSet
from napari_retseg.config import NetworkConfig, PreprocessConfig, TrainConfig
from napari_retseg.io import write_labels, write_scan
from napari_retseg.io.octexplorer_xml import write_surfaces
from napari_retseg.models import ModelInfo
from napari_retseg.scan import OctScan
from tests.io import dicomfiles, e2e_file, heyex_export, octfiles, topconfile

STACK = np.random.default_rng(0).integers(0, 4, (3, 24, 32), dtype=np.uint8)
CLASSES = LabelSet.from_names(["upper", "lower", "fluid"])
MAKE: Any = nib.Nifti1Image
MAKE2: Any = nib.Nifti2Image
_AXES: Any = ("bscan", "depth", "width")
SCAN = OctScan(STACK, _AXES, (120.0, 3.87, 11.5), "file", laterality="OD")


def _tiff(path: Path, values: Any = STACK, **options: Any) -> None:
    tifffile.imwrite(path, values, **{"photometric": "minisblack", **options})


def _series(path: Path) -> None:
    with tifffile.TiffWriter(path) as writer:
        writer.write(STACK[0, ::4, ::4], photometric="minisblack", subfiletype=1)
        for plane in STACK:
            writer.write(plane, photometric="minisblack", compression="zlib")


def _nifti(path: Path, values: Any = STACK, kind: Any = MAKE) -> None:
    image = kind(values.T, np.diag([0.01, 0.004, 0.12, 1]))
    image.header.set_xyzt_units("mm")
    nib.save(image, path)


def _vol(path: Path) -> None:
    height, width = STACK.shape[1:]
    head = bytearray(2048)
    struct.pack_into("<12s3I3d2I2d", head, 0, b"HSF-OCT-103", width, 3, height,
                     0.0115, 0.12, 0.00387, 5, 4, 0.011, 0.012)  # fmt: skip
    struct.pack_into("<4s", head, 84, b"OS")
    struct.pack_into("<iI", head, 96, 3, 640)
    data = bytes(head) + bytes(range(20))
    for number, plane in enumerate(STACK):
        block = bytearray(640)
        struct.pack_into("<12sI4dIIf", block, 0, b"HSF-BS-103", 640,
                         0.1, number * 0.12, 5.1, number * 0.12, 2, 256, 25.5)  # fmt: skip
        data += bytes(block) + (plane / 4).astype("<f4").tobytes()
    path.write_bytes(data)


def _topcon(path: Path, scan: tuple[str, bytes]) -> None:
    heights = np.full((3, 32), 12, np.uint16)
    topconfile.write(
        path,
        ("@HW_INFO_03", b"3DOCT-2000".ljust(100, b"\0")),
        ("@PATIENT_INFO_02", topconfile.patient("17", "A", "B", (1954, 3, 9), 1)),
        ("@CAPTURE_INFO_02", topconfile.capture(1)),
        scan,
        ("@PARAM_SCAN_04", topconfile.scan_size(6.0, 6.0, 3.5)),
        ("@IMG_FUNDUS", topconfile.photograph(np.dstack([STACK[0] * 50] * 3))),
        ("@IMG_TRC_02", topconfile.grey_image(STACK[0] * 50)),
        ("@IMG_PROJECTION", topconfile.projection(STACK[:, 0] * 50)),
        ("@REGIST_INFO", topconfile.regions((2, 2, 20, 20), (1, 1, 8, 8))),
        ("@CONTOUR_INFO", topconfile.contour("RETINA_1", heights)),
        ("@CONTOUR_INFO", topconfile.contour("CORNEA_1", heights / 2)),
    )


def _optovue(folder: Path) -> None:
    text = octfiles.describe_optovue((32, 3, 7.0, 0.05), (32, 1, 7.0, 0), depth=24)
    stack = STACK.astype(np.float32)
    octfiles.write_optovue(folder / "a.oct", stack, stack[:1], text=text)


def _e2e(path: Path) -> None:
    rows = {0: np.full((3, 8), 1.5), 1: np.full((3, 8), 4.0)}
    other = replace(e2e_file.PLAIN, number=31, eye="R", slices=[0, 2, 6])
    e2e_file.write_e2e(path, replace(e2e_file.PLAIN, rows=rows), other)


def _heyex(folder: Path) -> None:
    plain = heyex_export.PLAIN
    rows = {"ILM": np.full((3, 8), 1.5), "BM": np.full((3, 8), 4.0)}
    heyex_export.write_export(folder / "export", replace(plain, rows=rows), replace(plain, eye="R"))


def _dicom(path: Path, kind: str) -> None:
    stack = dicomfiles.make_stack(3)
    lines = dicomfiles.place_lines(*stack.shape[::2])
    dicomfiles.save(path, dicomfiles.make_opt(stack, kind=kind, lines=lines))


def _dicom_series(folder: Path) -> None:
    dicomfiles.save_frames(folder / "series", STACK.astype(np.int16) * 100)


def _surfaces(folder: Path) -> None:
    rows = np.full((3, 32), 4, np.float32)
    rows[1, 5:9] = np.nan
    write_scan(folder / "a.tif", SCAN)
    write_surfaces(folder / "a_Surfaces.xml", {"ILM": rows, "RPE": rows + 9.5}, SCAN)


#: Name of the file and how it is made.
FILES: dict[str, tuple[str, Callable[[Path], Any]]] = {
    "png": ("a.png", lambda f: Image.fromarray(STACK[0]).save(f, dpi=(2208, 6563))),
    "png-palette": ("a.png", lambda f: Image.fromarray(STACK[0]).convert("P").save(f)),
    "png-16": ("a.png", lambda f: Image.fromarray(STACK[0].astype(np.uint16) * 9).save(f)),
    "png-colour": ("a.png", lambda f: Image.fromarray(np.dstack([STACK[0]] * 4)).save(f)),
    "jpeg": ("a.jpg", lambda f: Image.fromarray(STACK[0] * 50).save(f, exif=_exif())),
    "bmp": ("a.bmp", lambda f: Image.fromarray(STACK[0]).save(f)),
    "bmp-palette": ("a.bmp", lambda f: Image.fromarray(STACK[0]).convert("P").save(f)),
    "tif": ("a.tif", _tiff),
    "tif-plain": ("a.tif", lambda f: _tiff(f, metadata=None, rowsperstrip=7)),
    "tif-zlib": ("a.tif", lambda f: _tiff(f, compression="zlib", predictor=2)),
    "tif-lzw": ("a.tif", lambda f: _tiff(f, compression="lzw", metadata=None)),
    "tif-tiles": ("a.tif", lambda f: _tiff(f, tile=(16, 16), compression="packbits")),
    "tif-jpeg": ("a.tif", lambda f: _tiff(f, STACK * 50, compression="jpeg")),
    "tif-big": ("a.tif", lambda f: _tiff(f, STACK.astype(">f4"), bigtiff=True, byteorder=">")),
    "tif-imagej": ("a.tif", lambda f: _tiff(f, imagej=True, resolution=(0.1, 0.3),
                   metadata={"axes": "ZYX", "unit": "um", "spacing": 120.0})),
    "tif-ome": ("a.tif", lambda f: write_scan(f, SCAN)),
    "tif-colour": ("a.tif", lambda f: _tiff(f, np.stack([STACK] * 3, -1), photometric="rgb")),
    "tif-series": ("a.tif", _series),
    "nii": ("a.nii", _nifti),
    "nii-2": ("a.nii", lambda f: _nifti(f, STACK.astype(np.int16), MAKE2)),
    "nii.gz": ("a.nii.gz", lambda f: _nifti(f, STACK.astype(np.float32))),
    "nii-ours": ("a.nii.gz", lambda f: write_scan(f, SCAN)),
    "npy": ("a.npy", lambda f: np.save(f, STACK)),
    "npy-float": ("a.npy", lambda f: np.save(f, np.asfortranarray(STACK.astype("f4")))),
    "npz": ("a.npz", lambda f: write_scan(f, SCAN)),
    "npz-plain": ("a.npz", lambda f: np.savez(f, images=STACK, labels=STACK)),
    "mat": ("a.mat", lambda f: savemat(f, {"x": 1, "images": np.moveaxis(STACK, 0, -1)})),
    "mat-packed": ("a.mat", lambda f: savemat(
        f, {"images": np.moveaxis(STACK, 0, -1) / 2}, do_compression=True)),
    "vol": ("a.vol", _vol),
    "fda": ("a.fda", lambda f: _topcon(f, ("@IMG_JPEG", topconfile.encoded_scan(STACK * 60)))),
    "fds": ("a.fds", lambda f: _topcon(f, ("@IMG_SCAN_03", topconfile.raw_scan(STACK)))),
    "img": ("P1_Macular Cube 32x3_1-2-2020_1-1-1_OD_sn1_cube_z.img",
            lambda f: f.write_bytes(np.resize(STACK, (3, 1024, 32)).tobytes())),
    "bioptigen": ("a.oct", lambda f: octfiles.write_bioptigen(f, STACK.astype(np.uint16))),
    "e2e": ("a.E2E", _e2e),
    **{
        f"dicom-{kind}": ("a.dcm", partial(_dicom, kind=kind)) for kind in dicomfiles.SYNTAXES
    },
}  # fmt: skip


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[274] = 6
    return exif


def describe_model() -> ModelInfo:
    """A tiny network."""
    network = NetworkConfig(
        arch="basicunet", n_classes=len(CLASSES), options={"features": [4, 4, 4, 4, 4, 4]}
    )
    preprocess = PreprocessConfig(scale=(1.0, 1.0, 1.0), multiple=16)
    return ModelInfo(name="tiny", network=network, classes=CLASSES, preprocess=preprocess)


def _dataset(folder: Path) -> None:
    for kind in ("images", "labels"):
        (folder / kind).mkdir(parents=True)
    cases = []
    for group, plane in zip(("P1", "P2", "P3"), STACK, strict=True):
        Image.fromarray(plane * 60).save(folder / f"images/{group}.png")
        Image.fromarray(plane).save(folder / f"labels/{group}.png")
        cases.append(
            {"image": f"images/{group}.png", "label": f"labels/{group}.png", "group": group,
             "split": "val" if group == "P3" else "train", "laterality": "OD",
             "spacing_um": [3.87, 11.5], "spacing_source": "user"}
        )  # fmt: skip
    names = {str(c.value): c.name for c in CLASSES.classes}
    content = {"name": "tiny", "labels": names, "ignore": 255, "split_seed": 3, "training": cases}
    (folder / "dataset.json").write_text(json.dumps(content, indent=1))


def _pair(folder: Path) -> None:
    _dataset(folder)
    (folder / "dataset.json").unlink()
    (folder / "classes.json").write_text(json.dumps({"upper": 1, "lower": 2, "fluid": 3}))


def _workspace(folder: Path) -> None:
    from napari_retseg.workspace.restore import RestorePoints
    from napari_retseg.workspace.workspace import Workspace

    with Workspace.create(folder / "ws", classes=CLASSES) as workspace:
        name = workspace.add_scan(SCAN, name="eye").name
        workspace.write_labels(name, 1, STACK[1], state="confirmed")
        model = describe_model().model_copy(update={"weights_id": "0" * 64})
        workspace.write_prediction(name, 0, STACK[0], model=model, doubtful=((0, 2), (3, 4)))
        workspace.add_cost(name, 1, seconds=41.5, edits=6)
        RestorePoints(workspace).make("a reason", name=name)


def _run(folder: Path) -> None:
    from napari_retseg.events import Scored, StepDone
    from napari_retseg.learn.run import RunFolder

    with RunFolder(
        folder / "run", TrainConfig(iterations=3), describe_model(), resume=False
    ) as run:
        run.start_log(0, scored_until=-1)
        run.log(StepDone(1, 0.5, 1e-3, 0.1))
        run.log(Scored(2, {"mean_foreground_dice": 0.5}, is_best=True))


def _recipe(folder: Path) -> None:
    from importlib.resources import files

    for name in ("label-efficiency", "cross-disease"):
        text = (files("napari_retseg.study") / "recipes" / f"{name}.yaml").read_text()
        (folder / f"{name}.yaml").write_text(text)


def _study(folder: Path) -> None:
    from napari_retseg.dataset import load_dataset
    from napari_retseg.study.datasets import read_contents
    from napari_retseg.study.pack import pack_runs
    from napari_retseg.study.recipe import Recipe
    from napari_retseg.study.run_plan import plan_study
    from napari_retseg.study.study_run import StudyFolder
    from tests.study.conftest import make_result

    _dataset(folder / "data")
    recipe = Recipe.model_validate(
        {
            "name": "small",
            "title": "A small study",
            "description": "Two learning rates.",
            "data": {"target": {"description": "B-scans"}},
            "splits": {"folds": {"plan": "folds:3"}},
            "grids": {"rates": {"factors": {"lr": [0.001, 0.01]}}},
        }
    )
    datasets = {"target": load_dataset(folder / "data")}
    plan = plan_study(recipe, datasets, read_contents(datasets, folder / "cache"), {})
    study = StudyFolder(folder / "study")
    study.write_plan(plan, {})
    for number, spec in enumerate(plan.unique[:3]):
        place = study.run(spec.key)
        place.write_spec(spec)
        if number < 2:
            place.finish(make_result())
        else:
            place.fail("a reason")
    pack_runs(plan, study, folder / "pack.zip")


def _state(folder: Path) -> None:
    known = [{"folder": str(folder / name), "id": name, "may_lead_out": True} for name in "ab"]
    (folder / "workspaces.json").write_text(json.dumps(known))


def _origin(folder: Path) -> None:
    from napari_retseg.models.label_records import Origin, Record, Records, hash_labels

    labels = write_labels(folder / "a.png", STACK[0])
    made_from = Origin(scan="a", weights="b", model="c", options={"device": "cpu"}, program="1")
    Records(folder).write(labels, Record(made_from=made_from, labels=hash_labels(STACK[0])))


def _bundle(folder: Path) -> None:
    from napari_retseg.nets.build import build_seeded
    from napari_retseg.nets.bundle import save_model

    info = describe_model()
    save_model(folder / "model", build_seeded(info.network, seed=1), info)


def _checkpoint(folder: Path) -> None:
    import torch

    from napari_retseg.learn.checkpoint import save_checkpoint

    state = {"iteration": 3, "network": {"a": torch.ones(3, 4)}, "best": 0.5, "names": ["a", "b"]}
    save_checkpoint(folder / "last.pt", state)


#: Folders; every file in them may be changed.
FOLDERS: dict[str, Callable[[Path], None]] = {
    "optovue": _optovue,
    "dataset": _dataset,
    "pair": _pair,
    "workspace": _workspace,
    "run": _run,
    "recipe": _recipe,
    "study": _study,
    "state": _state,
    "origin": _origin,
    "bundle": _bundle,
    "checkpoint": _checkpoint,
    "heyex": _heyex,
    "dicom-series": _dicom_series,
    "surfaces": _surfaces,
}
#: What needs torch to be read, or made.
WITH_TORCH = ("bundle", "checkpoint")


def make_seeds(root: Path) -> None:
    """Write the seeds, each in a folder named by its kind."""
    for kind, (name, write) in FILES.items():
        (root / kind).mkdir(parents=True)
        write(root / kind / name)
    for kind, make in FOLDERS.items():
        (root / kind).mkdir(parents=True)
        make(root / kind)
    labels = root / "png-labels"
    labels.mkdir()
    write_labels(labels / "a.png", STACK[0])

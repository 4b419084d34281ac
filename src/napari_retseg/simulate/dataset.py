"""Simulated datasets: several patients, their scans and labels in files, with a pinned split."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from napari_retseg.dataset import Case, Dataset, save_dataset
from napari_retseg.errors import InputError, UsageError
from napari_retseg.io import write_labels, write_scan
from napari_retseg.scan import OctScan
from napari_retseg.simulate.ranges import LABEL_SETS, SimulatorConfig
from napari_retseg.simulate.volume import SimulatedVolume, draw_volume

FileFormat = Literal["png", "tiff", "nifti"]
_SUFFIXES: dict[FileFormat, str] = {"png": ".png", "tiff": ".tif", "nifti": ".nii.gz"}


def simulate_dataset(
    folder: Path,
    *,
    count: int,
    seed: int = 0,
    config: SimulatorConfig,
    file_format: FileFormat = "png",
    n_val: int | None = None,
) -> Dataset:
    """Simulate patients, one volume each, and write them with their labels and `dataset.json`.

    Parameters
    ----------
    folder
        Where to; made if missing, otherwise it must be empty.
    count
        Number of patients; each is a group.
    seed
        The same arguments and seed give the same pixels.
    config
        Size and ranges; patient k is ``draw_volume(config, seed, k)``.
    file_format
        ``png``: a file for each B-scan (a PNG holds no spacing); ``tiff`` and ``nifti``: a volume
        for each patient.
    n_val
        The last so many patients are held out; None: a quarter, at least one of several. A
        patient who is alone has no split.

    Raises
    ------
    InputError
        Where `folder` holds something already or cannot be written.
    UsageError
        Where `count` and `n_val` make no sense.
    """
    held_out = _count_held_out(count, n_val)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(f"{folder}: this folder is not empty; choose a new one for the dataset")
    prefix = config.name.split()[-1]
    cases: list[Case] = []
    for patient in range(count):
        volume = draw_volume(config, seed, patient)
        split: Literal["train", "val"] = "val" if patient >= count - held_out else "train"
        group = f"{prefix}{patient + 1:02d}"
        for image, label in _write_volume(volume, folder, name=group, file_format=file_format):
            case = Case(
                image=image,
                label=label,
                group=group,
                split=split if count > 1 else None,
                bscans=None,
            )
            cases.append(case)
    dataset = Dataset(
        root=folder.resolve(),
        name=f"Simulated OCT, {config.name}",
        labels=LABEL_SETS[config.label_set],
        ignore=255,
        cases=tuple(cases),
        split_seed=seed,
        simulated=True,
    )
    save_dataset(dataset)
    return dataset


def _count_held_out(count: int, n_val: int | None) -> int:
    if count < 1:
        raise UsageError(f"{count} patients cannot be simulated; at least 1")
    if n_val is None:
        return 0 if count == 1 else max(1, round(count / 4))
    if not 0 <= n_val <= count:
        raise UsageError(f"{n_val} of {count} patients cannot be held out")
    return n_val


def _write_volume(
    volume: SimulatedVolume, folder: Path, *, name: str, file_format: FileFormat
) -> list[tuple[Path, Path]]:
    """Write one patient's files; image and label of each."""
    suffix = _SUFFIXES[file_format]
    if file_format == "png":
        parts = [
            (f"{name}_{index:02d}{suffix}", take_bscan(volume, index), volume.labels[index])
            for index in range(volume.scan.n_bscans)
        ]
    else:
        parts = [(f"{name}{suffix}", volume.scan, volume.labels)]
    written = []
    for file, scan, labels in parts:
        image, label = (folder.resolve() / kind / file for kind in ("images", "labels"))
        image.parent.mkdir(parents=True, exist_ok=True)
        label.parent.mkdir(parents=True, exist_ok=True)
        write_scan(image, scan)
        write_labels(label, labels, scan=scan, mark="")
        written.append((image, label))
    return written


def take_bscan(volume: SimulatedVolume, index: int) -> OctScan:
    """One B-scan of a volume as a scan of its own."""
    scan = volume.scan
    return OctScan(
        pixels=scan.pixels[index],
        axes=("depth", "width"),
        spacing_um=scan.spacing_um[1:],
        spacing_source=scan.spacing_source,
        laterality=scan.laterality,
        device=scan.device,
        metadata=scan.metadata,
    )

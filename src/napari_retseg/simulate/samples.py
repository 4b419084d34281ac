"""The samples that ship with napari-retseg, made again from their seeds by one command."""

from __future__ import annotations

import shutil
from pathlib import Path

from napari_retseg.classes import RETINA
from napari_retseg.dataset import Case, Dataset, save_dataset
from napari_retseg.io import write_labels, write_scan
from napari_retseg.simulate.dataset import simulate_dataset, take_bscan
from napari_retseg.simulate.devices import SimulatedDevice, make_device_config
from napari_retseg.simulate.volume import draw_volume

#: Seeds whose scans show the fovea, layers and fluid well.
_BSCAN_SEEDS: dict[SimulatedDevice, tuple[int, ...]] = {"A": (21, 5), "B": (15, 8)}
_VOLUME_SEEDS: dict[SimulatedDevice, int] = {"A": 28, "B": 59}
_DATASET_SEED = 7

_ILL = {"ill": 1.0, "cysts": 1.0}
#: B-scans of the volumes lie close together, so that most of them show the same fluid.
_VOLUME_BSCAN_UM = 125.0


def make_samples(folder: Path) -> None:
    """Write the B-scans, the volumes and the dataset into `folder`, in place of older ones.

    Other content of the folder (the starter model, the README) is left alone.
    """
    for part in ("bscans", "volumes", "device_b"):
        if (folder / part).exists():
            shutil.rmtree(folder / part)
    _make_bscans(folder / "bscans")
    _make_volumes(folder / "volumes")
    simulate_dataset(
        folder / "device_b",
        count=6,
        seed=_DATASET_SEED,
        config=make_device_config("B", size=(256, 384), n_bscans=4, bscan_um=300).with_ranges(
            disease=_ILL
        ),
        n_val=2,
    )


def _make_bscans(folder: Path) -> None:
    """Single B-scans of both devices through the fovea, as a dataset without a split."""
    folder = folder.resolve()
    images, labels = folder / "images", folder / "labels"
    images.mkdir(parents=True)
    labels.mkdir()
    cases = []
    for device, seeds in _BSCAN_SEEDS.items():
        for number, seed in enumerate(seeds, start=1):
            config = make_device_config(device, size=(496, 512), n_bscans=5)
            volume = draw_volume(config.with_ranges(disease={"ill": 1.0}), seed)
            middle = config.n_bscans // 2
            stem = f"device-{device.lower()}-{number}"
            image, label = images / f"{stem}.png", labels / f"{stem}.png"
            scan = take_bscan(volume, middle)
            write_scan(image, scan)
            write_labels(label, volume.labels[middle], scan=scan, mark="")
            cases.append(Case(image=image, label=label, group=stem))
    save_dataset(
        Dataset(
            root=folder,
            name="Simulated B-scans",
            labels=RETINA,
            cases=tuple(cases),
            simulated=True,
        )
    )


def _make_volumes(folder: Path) -> None:
    """A TIFF volume of device A and a NIfTI volume of device B, each with its labels."""
    folder.mkdir(parents=True)
    sizes: dict[SimulatedDevice, tuple[int, int, int, str]] = {
        "A": (12, 256, 256, ".tif"),
        "B": (8, 224, 256, ".nii.gz"),
    }
    for device, (n_bscans, depth, width, suffix) in sizes.items():
        config = make_device_config(
            device, size=(depth, width), n_bscans=n_bscans, bscan_um=_VOLUME_BSCAN_UM
        ).with_ranges(disease={**_ILL, "pockets": 1.0})
        volume = draw_volume(config, _VOLUME_SEEDS[device])
        name = f"device-{device.lower()}"
        write_scan(folder / f"{name}{suffix}", volume.scan)
        write_labels(folder / f"{name}-labels{suffix}", volume.labels, scan=volume.scan, mark="")

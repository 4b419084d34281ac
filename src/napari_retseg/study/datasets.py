"""The datasets of a study: given or simulated, and made ready as the recipe says."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from napari_retseg.classes import IGNORE, LabelClass, LabelSet
from napari_retseg.config import parse_size
from napari_retseg.dataset import Case, Dataset, load_dataset
from napari_retseg.dataset.case import stamp
from napari_retseg.dataset.split import rank_groups
from napari_retseg.errors import InputError, UsageError
from napari_retseg.io import label_path, write_labels
from napari_retseg.io.atomic import replace_atomically, write_json
from napari_retseg.records import read_record
from napari_retseg.scan import OctScan
from napari_retseg.study.recipe import DataRole, Recipe, Simulation, parse_part

_READY = "ready.json"
_CONTENTS = "contents.json"

#: SHA-256 of each case's image and labels, by the image's path.
Contents = dict[Path, str]


def open_roles(recipe: Recipe, given: Mapping[str, Path], folder: Path) -> dict[str, Dataset]:
    """Open the dataset of each role, made ready in `folder` where the recipe changes it.

    Parameters
    ----------
    given
        Datasets by role.

    Raises
    ------
    UsageError
        Where a role has no data, or data have no role.
    InputError
        Where a dataset cannot be read, or lacks the classes.
    """
    strangers = sorted(set(given) - set(recipe.data))
    if strangers:
        raise UsageError(
            f"--data {strangers[0]}=...: {recipe.name} has no such role; choose from "
            f"{', '.join(recipe.data)}"
        )
    found = {}
    for name, role in recipe.data.items():
        given_as = name if name in given else role.same_as
        if given_as in given:
            dataset = load_dataset(given[given_as])
        elif (wanted := role.simulate or _simulation_of(recipe, role)) is not None:
            dataset = _simulate(wanted, folder)
        else:
            raise UsageError(f"give --data {name}=PATH: {role.description}")
        found[name] = make_ready(take_part(dataset, role, name), role, folder, name)
    return found


def read_contents(datasets: Mapping[str, Dataset], folder: Path) -> Contents:
    """Hash images and labels of all labelled cases; files that did not change are not read again.

    Raises
    ------
    InputError
        Where a file cannot be read.
    """
    path = folder / _CONTENTS
    known: dict[str, tuple[str, str]] = {}
    with suppress(InputError):  # hashed again: nothing is lost
        known = read_record(path, dict[str, tuple[str, str]])
    contents: Contents = {}
    for dataset in datasets.values():
        for case in dataset.cases:
            if not case.has_annotation or case.label is None:
                continue
            about = repr((stamp(case.image), stamp(case.label), case.bscans, case.heldout_bscans))
            before = known.get(str(case.image))
            if before is None or before[0] != about:
                before = known[str(case.image)] = (about, dataset.fingerprint([case]))
            contents[case.image] = before[1]
    write_json(path, known)
    return contents


def take_part(dataset: Dataset, role: DataRole, name: str) -> Dataset:
    """Keep the patients of a role's part of a dataset.

    Raises
    ------
    InputError
        Where nobody is in that part.
    """
    if not role.part:
        return dataset
    ranked = rank_groups({case.group for case in dataset.cases if case.has_annotation}, seed=0)
    first, last = (round(share * len(ranked)) for share in parse_part(role.part))
    chosen = set(ranked[first:last])
    if not chosen:
        raise InputError(
            f"{dataset.root}: {name} uses {role.part} % of {len(ranked)} labelled patients, "
            "which is no patient; choose a larger part"
        )
    cases = tuple(case for case in dataset.cases if case.group in chosen)
    return dataset.model_copy(update={"cases": cases})


def make_ready(dataset: Dataset, role: DataRole, folder: Path, name: str) -> Dataset:
    """Merge classes and resample B-scans where the role says so; the originals stay as they are.

    Raises
    ------
    InputError
        Where a class is missing, or a scan cannot be resampled.
    """
    if not role.classes and not role.size and role.unannotated == "ignore":
        return dataset
    table, labels = _merge_classes(dataset, role, name)
    wanted = [case for case in dataset.cases if case.has_annotation]
    rules = role.model_dump(mode="json", exclude={"description", "simulate"})
    text = json.dumps(rules, sort_keys=True)
    digest = hashlib.sha256((text + dataset.fingerprint(wanted)).encode()).hexdigest()
    target = folder / f"{name}-{digest[:12]}"
    is_ready = (target / _READY).is_file()
    cases = [
        _make_case_ready(case, dataset, role, table, target / f"{number:04d}", write=not is_ready)
        for number, case in enumerate(wanted)
    ]
    if not is_ready:
        write_json(target / _READY, {"role": name, "rules": rules})
    update = {"root": target.resolve(), "labels": labels, "cases": tuple(cases)}
    return dataset.model_copy(update=update)


def _simulation_of(recipe: Recipe, role: DataRole) -> Simulation | None:
    return recipe.data[role.same_as].simulate if role.same_as else None


def _simulate(wanted: Simulation, folder: Path) -> Dataset:
    from napari_retseg.simulate import make_device_config, simulate_dataset

    digest = hashlib.sha256(wanted.model_dump_json().encode()).hexdigest()
    target = folder / f"simulated-{digest[:12]}"
    if (target / _READY).is_file():
        return load_dataset(target / "data")
    data = target / "data"
    if data.exists():  # a simulation that was interrupted
        data.rename(target / f"part-{len(list(target.iterdir()))}")
    size = (wanted.depth, wanted.width)
    config = make_device_config(wanted.device, size=size, n_bscans=wanted.n_bscans)
    simulate_dataset(
        data, count=wanted.count, seed=wanted.seed, config=config, file_format=wanted.file_format
    )
    write_json(target / _READY, wanted.model_dump(mode="json"))
    return load_dataset(data)


def _merge_classes(
    dataset: Dataset, role: DataRole, name: str
) -> tuple[NDArray[np.uint8], LabelSet]:
    """Table from a dataset's values to the new ones (255 stays), and the new classes."""
    table = np.zeros(256, np.uint8)
    table[IGNORE] = IGNORE
    if not role.classes:
        for one in dataset.labels.classes:
            table[one.value] = one.value
        return table, dataset.labels
    classes = [dataset.labels.classes[0]]
    for value, (new, olds) in enumerate(role.classes.items(), start=1):
        merged = [c for c in dataset.labels.foreground if c.name.lower() in _lower(olds)]
        if not merged:
            raise InputError(
                f"{dataset.root}: {name} needs a class {' or '.join(olds)}, but has "
                f"{', '.join(dataset.labels.names[1:])}; choose with --classes {name}=NAME,..."
            )
        for one in merged:
            table[one.value] = value
        classes.append(LabelClass(value=value, name=new, color=merged[0].color))
    return table, LabelSet(classes=tuple(classes))


def _lower(names: tuple[str, ...]) -> set[str]:
    return {name.lower() for name in names}


def _make_case_ready(
    case: Case,
    dataset: Dataset,
    role: DataRole,
    table: NDArray[np.uint8],
    folder: Path,
    *,
    write: bool,
) -> Case:
    """Write a case's labels, and its resampled image; only name them where they are there."""
    scan = case.read_scan()
    label = label_path(scan, folder / "label")
    image = folder / "image" / f"{case.name}.png" if role.size else case.image
    if write:
        labels = _read_labels(case, dataset, role, table, scan)
        if role.size:
            labels = _resample(scan, labels, image, parse_size(role.size) or (1, 1))
            with replace_atomically(label) as temporary:
                Image.fromarray(labels).save(temporary, format="PNG")
        else:
            write_labels(label, labels, scan=scan, mark="")
    update = {"image": image.resolve(), "label": label.resolve(), "bscans": None}
    return case.model_copy(update=update)


def _read_labels(
    case: Case, dataset: Dataset, role: DataRole, table: NDArray[np.uint8], scan: OctScan
) -> NDArray[np.uint8]:
    labels = case.read_labels(dataset.labels, shape=scan.spatial_shape)
    planes = labels.reshape(-1, *labels.shape[-2:])
    if role.unannotated == "background":
        for bscan in case.annotated_bscans():
            planes[bscan][planes[bscan] == IGNORE] = 0
    merged: NDArray[np.uint8] = table[labels]
    return merged


def _resample(
    scan: OctScan, labels: NDArray[np.uint8], image: Path, size: tuple[int, ...]
) -> NDArray[np.uint8]:
    """Write the B-scan at another size (bicubic, as Pillow's default); return its labels."""
    plane = scan.read_bscan(0)
    if scan.is_volume or len(plane) > 1 or plane.dtype != np.uint8:
        raise InputError(
            f"{scan.source}: only grey 8-bit pictures of one B-scan can be resampled to a size; "
            "remove 'size' from the recipe's data"
        )
    shape = (size[1], size[0])
    with replace_atomically(image) as temporary:
        resized = Image.fromarray(plane[0]).resize(shape, Image.Resampling.BICUBIC)
        resized.save(temporary, format="PNG")
    return np.asarray(Image.fromarray(labels).resize(shape, Image.Resampling.NEAREST))

"""Which frames make up a volume: those of a file, of its parts, or of a series in a folder."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from napari_retseg.errors import InputError
from napari_retseg.io.dicom_geometry import Plane, find_depths, find_lines, find_reference
from napari_retseg.io.dicom_header import (
    Instance,
    read_elements,
    read_instance,
    reading_dicom,
)
from napari_retseg.io.dicom_pixels import Layout, read_layout
from napari_retseg.io.file_errors import is_folder
from napari_retseg.io.limits import MOST_PLANES
from napari_retseg.io.suffixes import list_dicom
from napari_retseg.plural import count_noun, list_first

#: A reference image is looked for in folders of so many files.
_MOST_BESIDE = 40


@dataclass
class Volume:
    """The frames of a volume in order, how they are stored, and what is to be said."""

    planes: list[Plane]
    layout: Layout
    fundus: Instance | None = None
    notes: list[str] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    contradictions: list[str] = field(default_factory=list)

    @property
    def instances(self) -> list[Instance]:
        """The files of the volume, each once, in the order of their frames."""
        return list({plane.instance.path: plane.instance for plane in self.planes}.values())

    def describe(self) -> str:
        """Say in a line what it is, without names."""
        first = self.planes[0].instance
        rows, columns = self.layout.shape
        what = count_noun(len(self.planes), "B-scan" if first.is_oct else "slice")
        series = first.text("SeriesNumber")
        parts = [f"{what} of {rows} x {columns}", first.text("Modality")]
        parts += [f"series {series}"] if series else []
        parts += [first.text("ImageLaterality") or first.text("Laterality")]
        return ", ".join(part for part in parts if part)


def find_volumes(path: Path) -> list[Volume]:
    """Find the volumes of a file or a folder.

    Raises
    ------
    InputError
        Where there is none, or a file cannot be read.
    """
    if not is_folder(path):
        instance = read_instance(path)
        volume = _open_file(instance, read_layout(instance))
        total = _number(instance, "InConcatenationTotalNumber")
        if instance.text("ConcatenationUID") and total != 1:
            volume.notes.append(
                f"this file is part {_number(instance, 'InConcatenationNumber')} of "
                f"{total or 'several'} of a volume; open the folder to read all"
            )
        with reading_dicom(path):
            volume.fundus = _find_beside(volume)
        return [volume]
    return _find_in_folder(path)


def _find_in_folder(folder: Path) -> list[Volume]:
    files = list_dicom(folder)
    if len(files) > MOST_PLANES:
        raise InputError(f"{folder}: contains {len(files)} files; split the folder")
    layouts: dict[Path, Layout] = {}
    instances: list[Instance] = []
    failed: list[InputError] = []
    for file in files:
        try:
            instance = read_instance(file)
            layouts[file] = read_layout(instance)
            instances.append(instance)
        except InputError as error:
            failed.append(error)
    if not instances:
        raise failed[0] if failed else InputError(f"{folder}: no DICOM files in this folder")
    with reading_dicom(folder):
        groups = _group(instances, layouts)
        volumes = _attach_fundus([_join(group, layouts[group[0].path]) for group in groups])
    for volume in volumes:
        volume.left_out += [f"a file that cannot be read: {error}" for error in failed]
    return volumes


def _group(instances: Iterable[Instance], layouts: dict[Path, Layout]) -> list[list[Instance]]:
    """Files that belong together: parts of a concatenation, or single frames of one series."""
    groups: dict[tuple[object, ...], list[Instance]] = defaultdict(list)
    for instance in instances:
        layout = layouts[instance.path]
        joined = instance.text("ConcatenationUID")
        series = instance.text("SeriesInstanceUID")
        if joined:
            groups["parts", joined, layout].append(instance)
        elif instance.n_frames == 1 and series:
            groups["frames", series, layout].append(instance)
        else:
            groups["file", instance.path].append(instance)
    return list(groups.values())


def _join(instances: list[Instance], layout: Layout) -> Volume:
    """Put the frames of one or several files in order."""
    if instances[0].text("ConcatenationUID"):
        return _concatenate(instances, layout)
    if len(instances) == 1:
        return _open_file(instances[0], layout)
    planes = [Plane(instance, 0) for instance in instances]
    depths = find_depths(planes) or _find_rows(planes)
    volume = Volume(planes, layout)
    if depths is None:
        depths = [float(_number(plane.instance, "InstanceNumber")) for plane in planes]
        volume.notes.append(
            "B-scans in the order of their instance numbers; they have no positions"
        )
        if len(set(depths)) < len(depths):
            volume.contradictions.append("instance numbers are there more than once")
    order = sorted(range(len(planes)), key=lambda k: (depths[k], planes[k].instance.path.name))
    volume.planes = [planes[k] for k in order]
    return volume


def _open_file(instance: Instance, layout: Layout) -> Volume:
    planes = [Plane(instance, k) for k in range(instance.n_frames)]
    groups = instance.header.get("PerFrameFunctionalGroupsSequence")
    why = []
    if groups is not None and len(groups) != len(planes):
        why.append(f"{len(planes)} frames are declared, but {len(groups)} are described")
    return Volume(planes, layout, contradictions=why)


def _find_rows(planes: Sequence[Plane]) -> list[float] | None:
    """How far down on the reference image each B-scan lies, from below to above."""
    lines = find_lines(planes)
    return None if lines is None else [-float(y0 + y1) for _, y0, _, y1 in lines]


def _concatenate(instances: list[Instance], layout: Layout) -> Volume:
    numbers = [_number(instance, "InConcatenationNumber") for instance in instances]
    parts = [part for _, part in sorted(zip(numbers, instances, strict=True), key=lambda p: p[0])]
    total = _number(parts[0], "InConcatenationTotalNumber") or max(numbers)
    missing = sorted(set(range(1, min(total, MOST_PLANES) + 1)) - set(numbers))
    if missing or len(set(numbers)) < len(numbers):
        raise InputError(
            f"{parts[0].path.parent}: the parts {', '.join(map(str, sorted(numbers)))} of "
            f"{total} of a volume are there; add what is missing: {list_first(missing, 5)}"
        )
    planes = [Plane(part, k) for part in parts for k in range(part.n_frames)]
    return Volume(planes, layout)


def _find_beside(volume: Volume) -> Instance | None:
    """The reference image of a file's B-scans, where it lies in the same small folder."""
    first = volume.planes[0].instance
    reference = find_reference(volume.planes[0]) if first.is_oct else ""
    folder = first.path.parent
    if not reference or sum(1 for _ in islice(folder.iterdir(), _MOST_BESIDE + 1)) > _MOST_BESIDE:
        return None
    for file in list_dicom(folder):
        try:
            if read_elements(file, ("SOPInstanceUID",)).get("SOPInstanceUID") == reference:
                return read_instance(file)
        except InputError:
            continue
    return None


def _attach_fundus(volumes: list[Volume]) -> list[Volume]:
    """Give B-scans their reference image, which is then no volume of its own."""
    single = {
        volume.planes[0].instance.text("SOPInstanceUID"): volume.planes[0].instance
        for volume in volumes
        if len(volume.planes) == 1
    }
    used = set()
    for volume in volumes:
        reference = find_reference(volume.planes[0]) if volume.planes[0].instance.is_oct else ""
        volume.fundus = single.get(reference)
        if volume.fundus is not None:
            used.add(volume.fundus.path)
    return [
        volume
        for volume in volumes
        if len(volume.planes) > 1 or volume.planes[0].instance.path not in used
    ]


def _number(instance: Instance, keyword: str) -> int:
    value = instance.header.get(keyword)
    return 0 if value is None or value == "" else int(value)

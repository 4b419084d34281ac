"""``dataset.json``: a superset of the Medical Segmentation Decathlon's, read and written."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from napari_retseg.classes import IGNORE, LabelClass, LabelSet
from napari_retseg.dataset.case import Case
from napari_retseg.dataset.collection import Dataset, is_unlabelled_test
from napari_retseg.dataset.files import check_links, check_there, find_inside, kind_of, shorten
from napari_retseg.dataset.registry import WORKSPACE
from napari_retseg.errors import InputError, OutsideError
from napari_retseg.io.atomic import write_json
from napari_retseg.io.suffixes import stem_of
from napari_retseg.records import check_plain, first_problem, read_json

DESCRIPTION = "dataset.json"
SCHEMA_VERSION = 1
#: Bytes of a description: a hundred thousand cases.
LARGEST = 32 * 1024**2
_OWN_KEYS = {
    "schema_version",
    "name",
    "labels",
    "colors",
    "ignore",
    "split_seed",
    "simulated",
    "notes",
    "training",
    "test",
    "numTraining",
    "numTest",
}
_CASE_KEYS = {"image", "label", "group", "split", "bscans", "heldout_bscans", "unused_bscans"}


def read_description(path: Path) -> dict[str, Any]:
    """Read a ``dataset.json`` as plain values.

    Raises
    ------
    InputError
        Where it is not there, cannot be read, is no JSON object, or its schema is newer than this
        program's.
    """
    data = read_json(path, limit=LARGEST)
    if not isinstance(data, dict):
        raise InputError(f"{path}: not a dataset description (a JSON object is needed)")
    version = data.get("schema_version", SCHEMA_VERSION)
    if not isinstance(version, int) or version > SCHEMA_VERSION:
        raise InputError(
            f"{path}: schema version {shorten(version)} is unknown (this program knows versions "
            f"up to {SCHEMA_VERSION}); update napari-retseg"
        )
    return data


class _LeavingError(InputError):
    """Labels outside the dataset's folder, which nobody can allow."""


def parse_cases(
    data: Mapping[str, Any],
    path: Path,
    *,
    allow_outside: bool = False,
    check_files: bool = True,
    refused: list[tuple[Any, str]] | None = None,
) -> tuple[Case, ...]:
    """Return the cases of a description; `path` is where it lies.

    Parameters
    ----------
    data
        The description as plain values.
    path
        Its file.
    allow_outside
        Whether images may lie outside the folder.
    check_files
        Whether every image and label must be there.
    refused
        Takes entries that are wrong, each with the reason, so that the others load; None: the
        first one ends it. Images and labels outside the folder end it in any case.

    Raises
    ------
    InputError
        Where an entry is wrong, a file is missing, or a path leaves the folder.
    """
    cases = []
    for key, number, entry in _list_entries(data, path):
        try:
            case = _parse_entry(
                entry, f"entry {number} of '{key}'", path, allow_outside=allow_outside
            )
            if key == "test" and case.split is None:
                case = case.model_copy(update={"split": "test"})
            if check_files:
                _check_files(case, path)
        except (OutsideError, _LeavingError):
            raise
        except InputError as error:
            if refused is None:
                raise
            refused.append((entry, str(error)))
        else:
            cases.append(case)
    return tuple(cases)


def _parse_entry(entry: Any, name: str, path: Path, *, allow_outside: bool) -> Case:
    values = {"image": entry} if isinstance(entry, str) else entry
    if not isinstance(values, dict) or not isinstance(values.get("image"), str):
        raise InputError(f"{path}: {name} has no image")
    return _parse_case(values, path, allow_outside=allow_outside)


def _list_entries(data: Mapping[str, Any], path: Path) -> Iterator[tuple[str, int, Any]]:
    for key in ("training", "test"):
        entries = data.get(key, [])
        if not isinstance(entries, list):
            raise InputError(f"{path}: {key!r} is not a list of cases")
        for number, entry in enumerate(entries):
            yield key, number, entry


def _check_files(case: Case, path: Path) -> None:
    """Make sure that the files are there; a folder of labels holds no way out."""
    check_there(case.image, "image", path.name)
    if case.label is not None:
        check_there(case.label, "label", path.name)
        if case.label.is_dir():
            check_links(path.parent, case.label)


def _check_folder(image: Path, given: str, path: Path) -> None:
    """Refuse a folder of B-scans with a link out of the dataset's folder: it is outside, too."""
    try:
        check_links(path.parent, image)
    except InputError as error:
        raise OutsideError(f"{error}; {_how_to_trust(path.parent)}", given) from error


def _parse_case(values: dict[str, Any], path: Path, *, allow_outside: bool) -> Case:
    root = path.parent
    image = find_inside(root, values["image"], path)
    if image is None:
        if not allow_outside:
            raise OutsideError(
                f"{path}: image {shorten(values['image'])} is outside the dataset folder; "
                f"{_how_to_trust(root)}",
                values["image"],
            )
        image = Path(os.path.normpath(root / values["image"]))
    elif not allow_outside and kind_of(image) == "folder":
        _check_folder(image, values["image"], path)
    label = None
    if values.get("label") is not None:
        if not isinstance(values["label"], str):
            raise InputError(f"{path}: the label of {shorten(values['image'])} is not a path")
        label = find_inside(root, values["label"], path)
        if label is None:
            raise _LeavingError(
                f"{path}: label {shorten(values['label'])} is outside the dataset folder; labels "
                "must be inside, copy them there"
            )
    known = {key: values[key] for key in _CASE_KEYS - {"image", "label"} if key in values}
    about = {key: value for key, value in values.items() if key not in _CASE_KEYS}
    known.setdefault("group", stem_of(image))
    try:
        return Case(image=image, label=label, about=about, **known)
    except ValidationError as error:
        raise InputError(f"{path}: {shorten(values['image'])}: {first_problem(error)}") from error


def _how_to_trust(root: Path) -> str:
    if (root / WORKSPACE).is_file():
        return f"if you trust this file, allow it with 'napari-retseg workspace trust {root}'"
    return (
        "copy it into the folder, or, if you trust this file, add the dataset to a workspace in "
        "napari (in Python: load_dataset with allow_outside=True)"
    )


def parse_labels(data: Mapping[str, Any], path: Path) -> LabelSet | None:
    """Return the classes of a description, or of a ``classes.json``; None where it names none.

    Values are keys (``{"0": "background"}``, Decathlon), names are keys
    (``{"background": 0}``, nnU-Net), or names stand in a list, background first.

    Raises
    ------
    InputError
        Where they make no label set.
    """
    labels = data.get("labels")
    if not labels:
        return None
    try:
        names = _name_values(labels)
        names.pop(IGNORE, None)
        plain = LabelSet.from_names(names)
        colors = {int(value): color for value, color in dict(data.get("colors") or {}).items()}
        classes = tuple(
            LabelClass(value=c.value, name=c.name, color=colors.get(c.value, c.color))
            for c in plain.classes
        )
        return LabelSet(classes=classes)
    except ValidationError as error:
        raise InputError(f"{path}: labels: {first_problem(error)}") from error
    except (TypeError, ValueError) as error:
        raise InputError(
            f"{path}: labels: {shorten(labels)} is not a mapping from values to names ({error})"
        ) from error


def _name_values(labels: Any) -> dict[int, str]:
    if isinstance(labels, list):
        return {value: _name_class(name) for value, name in enumerate(labels)}
    if not isinstance(labels, dict):
        raise TypeError("it is neither an object nor a list")
    if all(type(value) is int for value in labels.values()):
        if len(set(labels.values())) < len(labels):
            raise ValueError("a value has two names")
        if labels.get("ignore", IGNORE) != IGNORE:
            raise ValueError(
                f"pixels to ignore must have the value {IGNORE}, not {labels['ignore']}"
            )
        return {value: str(name) for name, value in labels.items()}
    return {int(value): _name_class(name) for value, name in labels.items()}


def _name_class(name: Any) -> str:
    if not isinstance(name, str | int | float) or isinstance(name, bool):
        raise TypeError(f"{shorten(name)} is not a name")
    return str(name)


def build_dataset(
    data: Mapping[str, Any], path: Path, *, labels: LabelSet, cases: tuple[Case, ...]
) -> Dataset:
    """Make the dataset of a description from its parts."""
    fields = ("name", "ignore", "split_seed", "simulated", "notes")
    given = {key: data[key] for key in fields if data.get(key) is not None}
    given.setdefault("name", path.parent.name)
    about = {key: value for key, value in data.items() if key not in _OWN_KEYS}
    try:
        return Dataset(root=path.parent, labels=labels, cases=cases, about=about, **given)
    except ValidationError as error:
        raise InputError(f"{path}: {first_problem(error)}") from error


def save_dataset(dataset: Dataset) -> Path:
    """Write ``dataset.json`` atomically; :func:`load_dataset` gives an equal dataset.

    Image paths are relative to the folder where they can be.

    Raises
    ------
    InputError
        Where a label lies outside the dataset's folder, a name cannot be kept as text, or the
        file cannot be written.
    """
    path = dataset.root / DESCRIPTION
    training = [case for case in dataset.cases if not is_unlabelled_test(case)]
    test = [case for case in dataset.cases if is_unlabelled_test(case)]
    colors = _own_colors(dataset.labels)
    content: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "name": dataset.name,
        **dataset.about,
        "labels": {str(c.value): c.name for c in dataset.labels.classes},
        **({"colors": colors} if colors else {}),
        "ignore": dataset.ignore,
        "split_seed": dataset.split_seed,
        **({"simulated": True} if dataset.simulated else {}),
        **({"notes": list(dataset.notes)} if dataset.notes else {}),
        "numTraining": len(training),
        "numTest": len(test),
        "training": [describe_case(case, dataset.root) for case in training],
        "test": [_describe_test(case, dataset.root) for case in test],
    }
    try:
        check_plain(content)
    except (ValueError, TypeError) as error:
        raise InputError(f"{path}: cannot store this ({error}); change the name") from error
    return write_json(path, content)


def _own_colors(labels: LabelSet) -> dict[str, str]:
    plain = LabelSet.from_names({c.value: c.name for c in labels.classes})
    pairs = zip(labels.classes, plain.classes, strict=True)
    return {str(c.value): c.color for c, default in pairs if c.color != default.color}


def describe_case(case: Case, root: Path) -> dict[str, Any]:
    """Return a case as ``dataset.json`` lists it, with paths from `root`.

    Raises
    ------
    InputError
        Where its label lies outside `root`.
    """
    content: dict[str, Any] = {"image": _relative(case.image, root)}
    if case.label is not None:
        if not case.label.is_relative_to(root):
            raise InputError(
                f"{case.label}: outside {root}; the labels of a dataset must be inside its folder"
            )
        content["label"] = _relative(case.label, root)
    content["group"] = case.group
    if case.split is not None:
        content["split"] = case.split
    if case.bscans is not None:
        content["bscans"] = {
            str(index): state.model_dump(mode="json", exclude_none=True)
            for index, state in sorted(case.bscans.items())
        }
    for key in ("heldout_bscans", "unused_bscans"):
        if getattr(case, key):
            content[key] = list(getattr(case, key))
    return {**content, **case.about}


def _describe_test(case: Case, root: Path) -> str | dict[str, Any]:
    """Plain Decathlon where nothing more is to be said."""
    content = describe_case(case, root)
    del content["split"]
    if content == {"image": content["image"], "group": case.name}:
        return str(content["image"])
    return content


def _relative(path: Path, root: Path) -> str:
    if path.is_relative_to(root):
        return f"./{path.relative_to(root).as_posix()}"
    try:
        return Path(os.path.relpath(path, root)).as_posix()
    except ValueError:  # another drive
        return path.as_posix()

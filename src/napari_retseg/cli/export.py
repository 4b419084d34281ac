"""``napari-retseg export``: labels as other programs read them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from napari_retseg.cli.options import ClassNamesOption, JsonOption
from napari_retseg.cli.terminal import answer
from napari_retseg.errors import InputError, UsageError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from napari_retseg.classes import LabelSet
    from napari_retseg.models.label_records import Record

SUFFIXES = (".csv", ".xml", ".dcm")


def export(
    labels: Annotated[Path, typer.Argument(help="Label file, for example one from 'predict'.")],
    scan: Annotated[Path, typer.Option(help="Scan that the labels belong to.")],
    output: Annotated[
        Path | None,
        typer.Option(
            help="File to write: .csv or .xml for layer boundaries, .dcm for DICOM Segmentation."
        ),
    ] = None,
    beside_scan: Annotated[
        bool,
        typer.Option(
            "--beside-scan",
            help="Write layer boundaries beside the scan, to be read with it from then on.",
        ),
    ] = False,
    model: ClassNamesOption = None,
    keep_identifiers: Annotated[
        bool,
        typer.Option(
            "--keep-identifiers",
            help="Copy the patient's name, number and dates from the scan into the .dcm file.",
        ),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Export labels as layer boundaries (CSV, OCTExplorer XML) or as DICOM Segmentation.

    B-scans and A-scans are written in the order of the scan's file. Without --model, the names of
    the classes come from dataset.json or classes.json beside the labels.

    A DICOM Segmentation needs a DICOM scan. It refers to the scan, so that a viewer can lay it
    over the scan. Name, number and dates of the patient stay empty unless the scan is
    anonymised or you give --keep-identifiers.

    With --beside-scan the boundaries lie in STEM_Surfaces_Iowa.xml beside the scan. When the scan
    is opened again, they take the place of the boundaries that the device found. The scan's own
    file is not changed.
    """
    from napari_retseg.io import read_labels, read_scan
    from napari_retseg.io.suffixes import suffix_of
    from napari_retseg.models.label_records import Records

    if (output is None) != beside_scan:
        raise UsageError("give either --output or --beside-scan")
    suffix = ".xml" if output is None else suffix_of(output)
    if suffix not in SUFFIXES:
        raise UsageError(f"--output {output}: use one of {' '.join(SUFFIXES)}")
    if keep_identifiers and suffix != ".dcm":
        raise UsageError("--keep-identifiers can only be used with a .dcm file")
    found = read_scan(scan)
    check_scan(labels, scan)
    values = read_labels(labels, scan=found)
    record = Records(labels.parent).look_at(labels, values).record
    classes, note = name_label_classes(labels, values, model, record)
    unknown = classes.unknown_values(values)
    if unknown:
        raise InputError(f"{labels}: label values {unknown} have no class; give the right --model")
    if output is not None and suffix == ".dcm":
        about = _write_dicom(output, values, found, classes, keep_identifiers)
    else:
        about = _write_boundaries(output, values, found, classes)
    notes = [*about.pop("notes", ()), *([note] if note else [])]
    lines = [f"{labels} -> {about['output']} ({about.pop('what')})", *notes]
    answer({"labels": str(labels), **about}, lines, as_json=as_json)


def check_scan(labels: Path, scan: Path) -> None:
    """Refuse labels that were predicted from another scan, where that is known.

    Raises
    ------
    InputError
        Naming both.
    """
    from napari_retseg.models.label_records import Records, hash_scan

    record = Records(labels.parent).look(labels).record
    if record is not None and record.made_from.scan != hash_scan(scan):
        raise refuse_scan(labels, scan)


def refuse_scan(labels: Path, scan: Path) -> InputError:
    """Return the error of labels that were predicted from another scan."""
    return InputError(f"{labels}: made from another scan than {scan}; choose the right one")


def name_label_classes(
    labels: Path, values: NDArray[np.uint8], model: str | None, record: Record | None
) -> tuple[LabelSet, str]:
    """Return the classes of labels, and a note of where their names are from, or an empty one.

    Those of a model that is named, then those that ``dataset.json`` or ``classes.json`` beside the
    file names, then those of the model that predicted it, then ``class 1``, ``class 2``, ...

    Raises
    ------
    InputError
        Where the model that is named calls a value otherwise than the labels' own names.
    """
    from napari_retseg.agreement.pairing import find_named, refuse_other_names
    from napari_retseg.dataset.loading import name_classes
    from napari_retseg.dataset.pair import name_values
    from napari_retseg.models import find_model, read_info
    from napari_retseg.models.label_records import name_recorded

    if model is not None:
        classes = read_info(find_model(model)).classes
        recorded = name_recorded(record)
        refuse_other_names(labels, classes, find_named(labels.parent) or (recorded or (None,))[0])
        return classes, ""
    named = name_classes(labels.parent, [])
    if named.foreground:
        return named, ""
    return name_recorded(record) or (name_values(values, labels), "")


def _write_boundaries(
    output: Path | None, values: Any, scan: Any, classes: LabelSet
) -> dict[str, Any]:
    from napari_retseg.io.boundary_csv import write_boundaries
    from napari_retseg.io.octexplorer_xml import write_surfaces
    from napari_retseg.io.surfaces_beside import check_replaceable, write_beside
    from napari_retseg.layers.named import find_named_boundaries
    from napari_retseg.plural import count_noun

    found = find_named_boundaries(values, classes)
    if not found.rows or not scan.is_oct:
        names = ", ".join(classes.names[1:])
        raise InputError(
            f"{output or scan.source}: boundaries need labels of retinal layers, but the classes "
            f"are {names}; give the right --model"
        )
    boundaries = found.rows
    if output is None:
        output = write_beside(boundaries, scan)
    elif output.suffix.lower() == ".csv":
        write_boundaries(output, boundaries, scan)
    else:
        check_replaceable(output, scan)
        write_surfaces(output, boundaries, scan)
    what = f"{len(boundaries)} boundaries of {count_noun(scan.n_bscans, 'B-scan')}"
    about = {"boundaries": list(boundaries), "ascans_out_of_order": found.n_out_of_order}
    return {"output": str(output), "what": what, "notes": found.list_notes(), **about}


def _write_dicom(
    output: Path, values: Any, scan: Any, classes: LabelSet, keep_identifiers: bool
) -> dict[str, Any]:
    from napari_retseg.io.dicom_seg import check_replaceable, write_segmentation
    from napari_retseg.layers.named import list_layers
    from napari_retseg.plural import count_noun

    check_replaceable(output)
    is_copied = write_segmentation(
        output,
        values,
        scan,
        classes=classes,
        layers=list_layers(classes),
        keep_identifiers=keep_identifiers,
    )
    names = list(classes.names[1:])
    notes = [] if is_copied else ["name, number and dates of the patient are empty"]
    what = count_noun(len(names), "segment")
    about = {"what": what, "notes": notes, "segments": names, "identifiers_copied": is_copied}
    return {"output": str(output), **about}

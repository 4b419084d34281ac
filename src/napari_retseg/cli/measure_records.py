"""What is kept of a measured scan: what its numbers were made from, and the numbers."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from napari_retseg import __version__
from napari_retseg.classes import LabelSet
from napari_retseg.config import Frozen
from napari_retseg.errors import InputError, explaining
from napari_retseg.io.atomic import write_json
from napari_retseg.measures import Centre, Measurement
from napari_retseg.measures.table import describe_models
from napari_retseg.models.label_records import Found
from napari_retseg.models.sureness import Sureness
from napari_retseg.records import read_record

#: In the folder of a scan.
ABOUT = "about.json"
NUMBERS = "numbers.json"
#: The state of labels as the table says it.
_STATES = {"ours": "predicted", "changed": "changed since predicted"}

_Share = Annotated[float, Field(ge=0, le=1.001)]
#: A measurement, field by field.
_Number = tuple[str, str, str, float | None, str, float | None, float | None, _Share | None]


class Made(Frozen):
    """What numbers were made from, by content.

    Attributes
    ----------
    scan, labels
        SHA-256 of the scan's files, and of the class values.
    labels_state
        As the table says it.
    model
        Of the models that predicted the labels, as the table names them (``describe_models``).
    prediction
        SHA-256 of what else is known: doubtful A-scans, what the user entered in a workspace.
    classes
        Names by value.
    centre
        Of the ETDRS grid, as it was asked for.
    intervals
        SHA-256 of the model's intervals and of which B-scans are confirmed; None where the numbers
        have none.
    program
        The version of napari-retseg.
    """

    scan: str
    labels: str | None
    labels_state: str
    model: str
    prediction: str | None
    classes: dict[int, str]
    centre: Literal["fovea", "file"] | tuple[float, float]
    intervals: str | None = None
    program: str


class About(Frozen):
    """The file ``about.json``; it is written last, when all others are there."""

    made_from: Made
    eye: Literal["OD", "OS"] | None
    notes: tuple[str, ...]
    files: tuple[str, ...]


class Numbers(Frozen):
    """The file ``numbers.json``."""

    numbers: tuple[_Number, ...]

    def list(self) -> tuple[Measurement, ...]:
        """Return them as measurements."""
        return tuple(Measurement(*one) for one in self.numbers)


def describe_made(
    scan: str, found: Found, classes: LabelSet, centre: Centre, sureness: Sureness
) -> Made:
    """Say what the numbers of labels are made from; `scan` is the hash of its files."""
    record = found.record
    return Made(
        scan=scan,
        labels=found.digest,
        labels_state=say_state(found),
        model=describe_models([] if record is None else [record.weights_id]),
        prediction=None if record is None else hash_text(record.model_dump_json()),
        classes={one.value: one.name for one in classes.classes},
        centre=centre,
        intervals=sureness.digest,
        program=__version__,
    )


def hash_text(text: str) -> str:
    """Hash what is known of labels but their values."""
    return hashlib.sha256(text.encode()).hexdigest()


def say_state(found: Found) -> str:
    """Return the state of labels as the table says it."""
    return _STATES.get(found.state, "unknown")


def list_numbers(numbers: Sequence[Measurement]) -> list[list[Any]]:
    """Return measurements as :class:`Numbers` reads them."""
    return [list(one.to_row().values()) for one in numbers]


def find_measured(folder: Path, made: Made) -> tuple[About, tuple[Measurement, ...]] | None:
    """Return what was measured from the same; None where that is not there, or not whole."""
    try:
        about = read_record(folder / ABOUT, About)
        if about.made_from != made:
            return None
        numbers = read_record(folder / NUMBERS, Numbers).list()
    except InputError:
        return None
    names = {Path(name).name for name in about.files}
    return (about, numbers) if all((folder / name).is_file() for name in names) else None


def forget_measured(folder: Path) -> None:
    """Begin to measure again: until it is done, nothing in the folder counts.

    Raises
    ------
    InputError
        Where the system refuses.
    """
    path = folder / ABOUT
    with explaining(path, "cannot be replaced"):
        path.unlink(missing_ok=True)


def keep_measured(folder: Path, about: About, numbers: Sequence[Measurement]) -> None:
    """Write what was measured, once all other files are there.

    Raises
    ------
    InputError
        Where the system refuses.
    """
    write_json(folder / NUMBERS, {"numbers": list_numbers(numbers)})
    write_json(folder / ABOUT, about.model_dump(mode="json"))

"""What a run is made from, known by content: it goes on only while all of it is the same."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from napari_retseg.config import Frozen
from napari_retseg.dataset.unlabelled import list_with_unlabelled
from napari_retseg.errors import UsageError
from napari_retseg.io.atomic import write_json
from napari_retseg.learn.setup import Setup
from napari_retseg.learn.teacher import can_teach
from napari_retseg.models import WEIGHTS
from napari_retseg.records import read_record
from napari_retseg.runs.paths import RunPaths
from napari_retseg.scan import hash_path

#: What each field is called in a message.
_WORDS = {
    "training": "the training scans or labels",
    "heldout": "the held-out scans or labels",
    "classes": "the classes",
    "rehearsal": "the rehearsal dataset",
    "unlabelled": "the unlabelled scans",
    "start": "the weights of the starting model",
}


class RunInputs(Frozen):
    """Hashes of what a run is made from (SHA-256); its options are in ``config.yaml``."""

    training: str = Field(description="hash of training images, labels and choice of B-scans")
    heldout: str = Field(description="hash of held-out images, labels and choice of B-scans")
    classes: tuple[tuple[int, str], ...] = Field(
        description="hash of the classes' values and names"
    )
    rehearsal: str = Field("", description="hash of the rehearsal dataset; empty without one")
    unlabelled: str = Field(
        "", description="hash of the unlabelled scans that are learned from; empty without any"
    )
    start: str = Field(
        "", description="hash of the starting model's weights file; empty without one"
    )

    @classmethod
    def of(cls, setup: Setup, start: Path) -> RunInputs:
        """Hash what a run is made from; `start` is the folder of the model that it keeps a copy of.

        Raises
        ------
        InputError
            Where a file cannot be read.
        """
        dataset, weights = setup.dataset, start / WEIGHTS
        return cls(
            training=dataset.fingerprint(dataset.of_split("train")),
            heldout=dataset.fingerprint(dataset.of_split("val")),
            classes=tuple((c.value, c.name) for c in dataset.labels.classes),
            rehearsal="" if setup.rehearsal is None else setup.rehearsal.hash_content(),
            unlabelled=_hash_unlabelled(setup),
            start=hash_path(weights) if setup.start is not None and weights.is_file() else "",
        )


def _hash_unlabelled(setup: Setup) -> str:
    """Hash the scans that are in no part of the split, but learned from without labels."""
    if not can_teach(setup):
        return ""
    others = [case for case in list_with_unlabelled(setup.dataset) if case.split is None]
    return setup.dataset.fingerprint(others) if others else ""


def keep_inputs(run: Path, inputs: RunInputs) -> None:
    """Keep what a run is made from.

    Raises
    ------
    InputError
        Where it cannot be written.
    """
    write_json(RunPaths(run).inputs, inputs.model_dump(mode="json"))


def check_inputs(run: Path, now: RunInputs) -> None:
    """Make sure that a run is gone on with from what it was begun with.

    Runs of earlier versions did not keep it; of these, the training scans are checked elsewhere.

    Raises
    ------
    UsageError
        Naming what is another now.
    InputError
        Where the file cannot be read.
    """
    path = RunPaths(run).inputs
    if not path.exists():
        return
    before = read_record(path, RunInputs)
    changed = [
        words for name, words in _WORDS.items() if getattr(before, name) != getattr(now, name)
    ]
    if changed:
        raise UsageError(
            f"{run}: {' and '.join(changed)} changed since this run began, so its scores cannot "
            "be compared; start a new run without --resume, in another folder"
        )

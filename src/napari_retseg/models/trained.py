"""What a model was trained on, without anything that tells who the patients are.

Patients are counted. Each is kept as a key, too, that needs the secret of this installation
(:mod:`napari_retseg.io.patient`), so that it knows them again; elsewhere the keys mean nothing.
The data's own hash is part of them: models of different data have no key in common.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Annotated, Any, TypeGuard

from pydantic import Field

from napari_retseg.config import Frozen
from napari_retseg.errors import InputError
from napari_retseg.io.patient import make_patient_keys

#: Characters of a model's or a dataset's name.
LONGEST_NAME = 300

Count = Annotated[int, Field(ge=0)]
_Key = Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]


class TrainedOn(Frozen):
    """What a model was trained on: the data by hash, no path; patients by number, no name."""

    dataset: str = Field(
        max_length=LONGEST_NAME, description="name of the dataset; empty in an exported model"
    )
    sha256: str = Field(
        max_length=128, description="SHA-256 of the training cases' image and label files"
    )
    n_groups: Count = Field(description="number of patients in the training data")
    n_heldout_groups: Count = Field(description="number of held-out patients")
    n_shared_groups: Count = Field(0, description="number of patients in both")
    keys: Annotated[tuple[_Key, ...], Field(max_length=100_000)] = Field(
        (),
        description="keys of the patients in the training data; only the installation that made "
        "them can tell who they are",
    )
    dataset_key: _Key | None = Field(None, description="key of the dataset's name")
    bscans: Count
    iterations: Count
    kept_start: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="initial-weight fraction (WiSE-FT)"
    )
    simulated_share: Annotated[float, Field(ge=0, le=1)] = Field(
        0.0, description="simulated B-scans that were added to each batch, as a fraction of it"
    )
    simulated: bool = False
    split: str = Field(
        "by patient", max_length=1000, description="how the held-out scans were chosen"
    )

    def find_known(self, groups: Collection[str]) -> list[str]:
        """Return which patients, by their groups' names, the model was trained on.

        Only where the model was trained: elsewhere the answer is none of them.
        """
        if not self.keys:
            return []
        names, known = sorted(groups), set(self.keys)
        keys = _make_keys(names, self.sha256)
        return [name for name, key in zip(names, keys, strict=False) if key in known]

    def is_of(self, dataset: str) -> bool:
        """Whether the model was trained, here, on a dataset of this name."""
        return self.dataset_key is not None and _make_keys([dataset], self.sha256) == (
            self.dataset_key,
        )


def shorten_name(name: str) -> str:
    """Return a name that a description takes; a dataset may have a longer one, or none."""
    return name[:LONGEST_NAME] or "unnamed"


def describe_groups(
    training: Collection[str], heldout: Collection[str], *, dataset: str, sha256: str
) -> dict[str, Any]:
    """Return the fields of :class:`TrainedOn` about patients, from the names of their groups."""
    names = sorted({*training})
    data_key, *keys = _make_keys([dataset, *names], sha256) or (None,)
    return {
        "n_groups": len(names),
        "n_heldout_groups": len({*heldout}),
        "n_shared_groups": len({*names} & {*heldout}),
        "keys": tuple(keys),
        "dataset_key": data_key,
    }


def _make_keys(names: Sequence[str], sha256: str) -> tuple[str, ...]:
    """Make keys of names; none where there is no place for the installation's secret."""
    try:
        return make_patient_keys(f"{sha256}\0{name}" for name in names)
    except InputError:
        return ()


def forget_names(trained: Any) -> Any:
    """Turn what an older description says of its training into what this one says.

    Until version 1 it named the groups. What does not fit is left as it is, for the check.
    """
    if not isinstance(trained, dict):
        return trained
    rest = {k: v for k, v in trained.items() if k not in ("groups", "heldout_groups")}
    training, heldout = trained.get("groups"), trained.get("heldout_groups")
    dataset, sha256 = trained.get("dataset"), trained.get("sha256")
    if not _are_texts(training) or not _are_texts(heldout):
        return trained
    if not isinstance(dataset, str) or not isinstance(sha256, str):
        return trained
    return {**rest, **describe_groups(training, heldout, dataset=dataset, sha256=sha256)}


def _are_texts(values: Any) -> TypeGuard[list[str]]:
    return isinstance(values, list) and all(isinstance(value, str) for value in values)

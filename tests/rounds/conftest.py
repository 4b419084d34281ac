"""Datasets with states of B-scans, and events of trainings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from napari_retseg.dataset import BscanState, Case, Dataset
from tests.conftest import TINY_CLASSES, draw_tiny_bscan

#: Writes a dataset: for each patient the confirmed B-scans of one volume each.
MakeDataset = Callable[..., Dataset]

N_BSCANS = 10


@pytest.fixture
def make_dataset(tmp_path: Path) -> MakeDataset:
    """Write volumes of ten B-scans, one for each patient."""

    def make(
        confirmed: Mapping[str, Sequence[int]],
        splits: Mapping[str, str] | None = None,
        model: str | None = None,
    ) -> Dataset:
        cases = []
        for group, bscans in confirmed.items():
            image, label = (tmp_path / "data" / f"{group}{kind}.tif" for kind in ("", "_labels"))
            image.parent.mkdir(exist_ok=True)
            rng = np.random.default_rng(list(group.encode()))
            drawn = [draw_tiny_bscan(rng) for _ in range(N_BSCANS)]
            tifffile.imwrite(image, np.stack([grey for grey, _ in drawn]))
            tifffile.imwrite(label, np.stack([labels for _, labels in drawn]))
            states: dict[int, BscanState] = {
                i: BscanState(state="confirmed", model=model) for i in bscans
            }
            states[N_BSCANS - 1] = states.get(N_BSCANS - 1, BscanState(state="corrected"))
            known: dict[str, Any] = {"split": (splits or {}).get(group)}
            cases.append(Case(image=image, label=label, group=group, bscans=states, **known))
        return Dataset(
            root=tmp_path / "data", name="clinic", labels=TINY_CLASSES, cases=tuple(cases)
        )

    return make


def make_scores(
    dice: Mapping[str, float | None], *, bscans: int = 22, groups: int = 2, **absent: int
) -> dict[str, Any]:
    """Make scores as a training gives them.

    Parameters
    ----------
    dice
        Of each foreground class; None: it is in neither reference nor prediction.
    absent
        Predicted pixels of classes that are not in the reference.
    """
    classes = {"background": _class_scores(0.99, bscans, present=True, predicted=9000)}
    for name, value in dice.items():
        predicted = absent.get(name, 0 if value is None else 100)
        present = name not in absent and value is not None
        classes[name] = _class_scores(value, bscans, present=present, predicted=predicted)
    known = [v for name, v in dice.items() if v is not None and name not in absent]
    mean = sum(known) / len(known) if known else None
    return {
        "classes": classes,
        "mean_foreground_dice": mean,
        "mean_foreground_iou": None if mean is None else mean / (2 - mean),
        "n_bscans": bscans,
        "n_groups": groups,
    }


def _class_scores(
    dice: float | None, bscans: int, *, present: bool, predicted: int
) -> dict[str, Any]:
    return {
        "dice": dice,
        "iou": None if dice is None else dice / (2 - dice),
        "bscans_present": bscans if present else 0,
        "reference_pixels": 100 if present else 0,
        "predicted_pixels": predicted,
        "false_positive_pixels": 0 if present else predicted,
    }

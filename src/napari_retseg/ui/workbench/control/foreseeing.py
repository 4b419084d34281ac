"""What the next training would do, and what its result would be worth. Knows no Qt."""

from __future__ import annotations

from dataclasses import dataclass

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import Dataset, Side
from napari_retseg.errors import RetsegError
from napari_retseg.rounds import (
    check_round,
    count_for_round,
    describe_round,
    foresee_judging,
    list_remarks,
    seconds_per_step,
)
from napari_retseg.ui.dock_state import ModelChoice
from napari_retseg.workspace import Workspace


@dataclass(frozen=True)
class Description:
    """What a training would do, what is missing before it can, and what it would be worth.

    Attributes
    ----------
    problem
        Why none can start; then `text` is empty.
    warning
        Why its result could hardly be judged.
    sides
        How it would use each patient.
    """

    text: str = ""
    problem: str = ""
    warning: str = ""
    sides: tuple[Side, ...] = ()


def foresee(
    workspace: Workspace,
    dataset: Dataset,
    config: TrainConfig,
    choice: ModelChoice | None,
    *,
    device: str,
) -> Description:
    """Say in words what a training of a workspace would do; files are read."""
    info = None if choice is None else choice.info
    sides = _read_sides(workspace)
    problem = check_round(dataset, config, info)
    if problem is not None:
        return Description(problem=problem, sides=sides)
    text = describe_round(
        dataset,
        config,
        info,
        parameters=None
        if choice is None
        else count_for_round(choice.folder, config, classes=dataset.labels),
        seconds_per_step=seconds_per_step(workspace.rounds, config, start=info),
        device=device,
    )
    judging = foresee_judging(dataset, config, info)
    remarks = [r for r in list_remarks(dataset, config, info) if r not in judging.text]
    return Description(" ".join((text, *remarks)), warning=judging.text, sides=sides)


def _read_sides(workspace: Workspace) -> tuple[Side, ...]:
    """Say how each patient is used; nothing where the scans that this needs cannot be read."""
    try:
        return workspace.sides()
    except RetsegError:
        return ()

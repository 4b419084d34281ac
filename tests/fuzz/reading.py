"""What the product does with files of each kind, from the same entry points as its faces."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from napari_retseg.dataset import Case
from napari_retseg.dataset.loading import load_dataset
from napari_retseg.errors import RetsegError
from napari_retseg.io import describe_scan, read_labels, read_scan
from napari_retseg.io.devices import list_volumes, read_identifiers
from napari_retseg.io.octexplorer_xml import read_surfaces
from napari_retseg.io.suffixes import LABEL_SUFFIXES, suffix_of
from tests.fuzz.seeds import FILES, FOLDERS

#: B-scans that are read of each scan.
_MOST = 8


def read(kind: str, folder: Path) -> None:
    """Read what lies in a folder as the product would; all errors but its own are faults."""
    if kind in FOLDERS:
        _READERS[kind](folder)
        return
    _each(
        lambda: _read_scan(folder / FILES[kind][0]),
        lambda: _read_labels(folder / FILES[kind][0]),
        lambda: read_identifiers(folder / FILES[kind][0]),
    )


def _each(*steps: Callable[[], object]) -> None:
    """Take every step; raise the first refusal at the end."""
    refused: RetsegError | None = None
    for step in steps:
        try:
            step()
        except RetsegError as error:
            refused = refused or error
    if refused is not None:
        raise refused


def _read_scan(path: Path) -> None:
    volumes = list_volumes(path)
    _each(*(lambda volume=volume: _read_volume(volume) for volume in volumes))
    read_identifiers(path)


def _read_volume(path: Path) -> None:
    scan = read_scan(path)
    describe_scan(scan)
    for index in itertools.islice(range(scan.n_bscans), _MOST):
        plane = scan.read_bscan(index)
        assert plane.shape == (scan.n_channels, *scan.spatial_shape[-2:])
        assert plane.dtype == scan.pixels.dtype
        assert np.isfinite(plane).all()


def _read_labels(path: Path) -> None:
    if suffix_of(path) in LABEL_SUFFIXES:
        labels = read_labels(path)
        assert labels.dtype == np.uint8
        assert labels.ndim in (2, 3)


def _read_optovue(folder: Path) -> None:
    _each(
        lambda: _read_scan(folder / "a.oct"),
        lambda: _read_scan(folder / "a.oct#0"),
    )


def _read_export(folder: Path) -> None:
    _read_scan(folder / "export")


def _read_series(folder: Path) -> None:
    _each(
        lambda: _read_scan(folder / "series"),
        lambda: read_identifiers(folder / "series"),
    )


def _read_surfaces(folder: Path) -> None:
    _each(
        lambda: read_surfaces(folder / "a_Surfaces.xml"),
        lambda: _read_scan(folder / "a.tif"),
    )


def _read_dataset(folder: Path) -> None:
    dataset = load_dataset(folder)
    for case in dataset.cases[:3]:
        _each(lambda case=case: _read_case(case))  # type: ignore[misc]
    for split in ("train", "val", "test"):
        dataset.groups(split)


def _read_case(case: Case) -> None:
    scan = case.read_scan()
    scan.read_bscan(0)
    case.annotated_bscans()
    if case.label is not None:
        case.read_labels(shape=scan.spatial_shape)


def _read_workspace(folder: Path) -> None:
    from napari_retseg.workspace.restore import RestorePoints
    from napari_retseg.workspace.workspace import Workspace

    with Workspace.open(folder / "ws", trust=True) as workspace:
        for entry in workspace.scans:
            name = entry.name
            _each(
                lambda name=name: workspace.read_scan(name).read_bscan(0),  # type: ignore[misc]
                lambda name=name: workspace.read_labels(name),  # type: ignore[misc]
                lambda name=name: workspace.states(name),  # type: ignore[misc]
                lambda name=name: workspace.predictions(name),  # type: ignore[misc]
                workspace.describe_cost,
                lambda name=name: workspace.read_prediction(name),  # type: ignore[misc]
            )
        _each(RestorePoints(workspace).list, lambda: workspace.settings)


def _read_run(folder: Path) -> None:
    from napari_retseg.runs.eventlog import list_events, read_events, read_log
    from napari_retseg.runs.record import read_config, read_run_model

    run = folder / "run"
    _each(
        lambda: read_config(run),
        lambda: read_run_model(run),
        lambda: list_events(read_log(run)),
        lambda: read_events(run),
    )


def _read_recipes(folder: Path) -> None:
    from napari_retseg.study.catalogue import read_recipe

    for path in sorted(folder.glob("*.yaml")):
        _each(
            lambda path=path: read_recipe(path),  # type: ignore[misc]
            lambda path=path: read_recipe(path, quick=True),  # type: ignore[misc]
        )


def _read_study(folder: Path) -> None:
    from napari_retseg.study.pack import find_known, take_runs
    from napari_retseg.study.study_run import StudyFolder

    study = StudyFolder(folder / "study")
    steps: list[Callable[[], object]] = [study.read_about]
    for path in sorted((folder / "study" / "runs").iterdir()):
        place = study.run(path.name)
        steps += [place.read_spec, lambda place=place: (place.state, place.failure)]  # type: ignore[misc]
        if place.state == "done":
            steps.append(place.read_result)
    _each(*steps)
    plan = study.read_plan()
    find_known(plan, [folder / "pack.zip"])
    take_runs(plan, StudyFolder(folder / "other"), [folder / "pack.zip"])


def _read_state(folder: Path) -> None:
    from napari_retseg.dataset import registry

    os.environ["NAPARI_RETSEG_STATE"] = str(folder.absolute())
    _each(registry.recent, registry.find_problem, lambda: registry.find("a"))


def _read_origin(folder: Path) -> None:
    from napari_retseg.models.label_records import Records

    Records(folder).look(folder / "a.png")


def _read_bundle(folder: Path) -> None:
    from napari_retseg.models import read_info
    from napari_retseg.nets.bundle import load_model

    _each(lambda: read_info(folder / "model"), lambda: load_model(folder / "model"))


def _read_checkpoint(folder: Path) -> None:
    from napari_retseg.learn.checkpoint import load_checkpoint

    load_checkpoint(folder / "last.pt")


_READERS: dict[str, Callable[[Path], None]] = {
    "optovue": _read_optovue,
    "dataset": _read_dataset,
    "pair": _read_dataset,
    "workspace": _read_workspace,
    "run": _read_run,
    "recipe": _read_recipes,
    "study": _read_study,
    "state": _read_state,
    "origin": _read_origin,
    "bundle": _read_bundle,
    "checkpoint": _read_checkpoint,
    "heyex": _read_export,
    "dicom-series": _read_series,
    "surfaces": _read_surfaces,
}

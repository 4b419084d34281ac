"""Workspaces from a script: scans in, labels, predictions, trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import napari_retseg as rs
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import InputError, ModelError, RetsegError, UsageError
from napari_retseg.io import write_labels, write_scan
from tests.conftest import check_line, draw_tiny_bscan

CLASSES = ["upper", "lower", "fluid"]


@pytest.fixture
def drawn(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Grey values and labels of three B-scans."""
    pairs = [draw_tiny_bscan(rng) for _ in range(3)]
    return np.stack([image for image, _ in pairs]), np.stack([labels for _, labels in pairs])


@pytest.fixture
def workspace(tmp_path: Path) -> Any:
    """An open workspace."""
    with rs.Workspace.create(str(tmp_path / "work"), classes=CLASSES) as opened:
        yield opened


def test_text_a_path_an_array_and_a_scan_are_added(
    workspace: rs.Workspace, tmp_path: Path, volume: np.ndarray
) -> None:
    assert workspace.table().columns[0] == "patient"
    paths = [write_scan(tmp_path / f"P{k}_eye.tif", rs.read_scan(volume + k)) for k in (1, 2)]
    names = [
        workspace.add(str(paths[0])),
        workspace.add(paths[1], patient="Second"),
        workspace.add(volume[0], name="one", spacing_um=(3.9, 11.6)),
        workspace.add(rs.read_scan(volume + 9), patient="P9"),
    ]
    assert names == ["P1_eye", "P2_eye", "one", "scan"]
    assert np.array_equal(np.asarray(workspace.read_scan("one").pixels), volume[0])
    assert workspace.read_scan("one").spacing_um == pytest.approx((3.9, 11.6))
    table = workspace.table()
    assert list(table.index) == names
    assert list(table["patient"]) == ["P1_eye", "Second", "one", "P9"]
    assert list(table["bscans"]) == [3, 3, 1, 3]


def test_a_prediction_is_kept_and_accepted_where_nothing_is_labelled(
    workspace: rs.Workspace, model: rs.Model, drawn: tuple[np.ndarray, np.ndarray]
) -> None:
    name = workspace.add(drawn[0], patient="P1")
    found = workspace.predict(name, model, progress=False)
    assert np.array_equal(found, model.predict(drawn[0], progress=False))
    workspace.label(name, drawn[1], bscans=1)
    assert workspace.accept(name) == [0, 2]
    labels = workspace.read_labels(name)
    assert np.array_equal(labels[[0, 2]], found[[0, 2]])
    assert np.array_equal(labels[1], drawn[1][1])
    assert workspace.begun_with(name) == dict.fromkeys((0, 2), model.info.weights_id)
    assert workspace.states(name) == dict.fromkeys(range(3), "corrected")


def test_only_some_bscans_are_predicted(
    workspace: rs.Workspace, model: rs.Model, volume: np.ndarray
) -> None:
    name = workspace.add(volume)
    found = workspace.predict(name, model.folder, bscans=[2], progress=False)
    assert not found[:2].any()
    assert set(workspace.predictions(name)) == {2}
    assert workspace.accept(name) == [2]


def test_classes_are_matched_by_name(tmp_path: Path, model: rs.Model, volume: np.ndarray) -> None:
    classes = {5: "fluid", 9: "upper"}
    with rs.Workspace.create(tmp_path / "few", classes=classes) as workspace:
        name = workspace.add(volume)
        found = workspace.predict(name, model, progress=False)
    wanted = np.array([0, 9, 0, 5])[model.predict(volume, progress=False)]
    assert np.array_equal(found, wanted)


def test_labels_come_from_arrays_planes_and_files(
    workspace: rs.Workspace, tmp_path: Path, drawn: tuple[np.ndarray, np.ndarray]
) -> None:
    image, labels = drawn
    name = workspace.add(image)
    path = write_labels(tmp_path / "labels.tif", labels)
    for given, bscans, written in (
        (labels.astype(np.int64), None, [0, 1, 2]),
        (labels[1], 1, [1]),
        (str(path), [0, 2], [0, 2]),
        (path, None, [0, 1, 2]),
    ):
        workspace.label(name, given, bscans=bscans)
        assert np.array_equal(workspace.read_labels(name)[written], labels[written])
        assert set(workspace.states(name)) == set(written)
        workspace.clear_labels(name, written)


# a training on three B-scans warns of much
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_confirmed_labels_are_trained_on_and_the_run_is_a_round(
    workspace: rs.Workspace, model: rs.Model, rng: np.random.Generator
) -> None:
    for patient in ("P1", "P2", "P3"):
        image, labels = draw_tiny_bscan(rng)
        name = workspace.add(image, patient=patient, name=patient)
        workspace.label(name, labels)
        workspace.confirm(name)
    run = workspace.train(model, iterations=2, batch_size=2, device="cpu", progress=False)
    assert workspace.rounds == [run.path]
    assert run.scores.loc["mean", "bscans"] == 1
    assert int(workspace.table()["held_out"].sum()) == 1
    snapshot = load_dataset(run.path / "data")
    assert sorted(case.group for case in snapshot.cases) == ["P1", "P2", "P3"]
    with pytest.raises(UsageError, match="no stopped round of training"):
        workspace.train(resume=True)
    # the open one is a dataset too
    with pytest.warns(UserWarning, match="was trained on") as warned:
        table = rs.evaluate(run.model, workspace, split="all", progress=False)
    assert table.attrs["n_bscans"] == 3
    assert warned[0].filename == __file__


def test_a_workspace_is_opened_again_and_shows_itself(
    workspace: rs.Workspace, drawn: tuple[np.ndarray, np.ndarray]
) -> None:
    name = workspace.add(drawn[0])
    workspace.label(name, drawn[1])
    workspace.confirm(name, bscans=[0, 2])
    workspace.close()
    with rs.Workspace.open(str(workspace.folder)) as opened:
        assert np.array_equal(opened.read_labels(name), drawn[1])
        assert opened.states(name) == {0: "confirmed", 1: "corrected", 2: "confirmed"}
        assert repr(opened) == f"Workspace({str(workspace.folder)!r}: 1 scans)"
        assert "<table" in opened._repr_html_()


@pytest.mark.parametrize(
    ("method", "arguments", "kind", "line"),
    [
        ("add", [["a.tif"]], UsageError, "list of str"),
        ("add", ["nowhere.tif"], InputError, "nowhere.tif"),
        ("add", [np.full((8, 8), np.nan)], InputError, "NaN"),
        ("label", ["nobody", np.zeros((64, 64))], InputError, "its scans are eye"),
        ("label", ["eye", np.zeros((3, 64, 65))], InputError, "shape (3, 64, 64)"),
        ("label", ["eye", np.zeros((64, 64))], InputError, "with one B-scan"),
        ("label", ["eye", np.full((3, 64, 64), 9)], InputError, "label values [9]"),
        ("label", ["eye", np.zeros((1, 1, 3, 64, 64))], InputError, "(bscan, depth, width)"),
        ("label", ["eye", ["a"]], UsageError, "list of str"),
        ("accept", ["eye"], InputError, "call predict first"),
        ("confirm", ["eye"], InputError, "call label or accept first"),
        ("confirm", ["nobody"], InputError, "nobody"),
        ("predict", ["eye", "nowhere"], ModelError, "no model of this name"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    workspace: rs.Workspace,
    volume: np.ndarray,
    method: str,
    arguments: list[Any],
    kind: type[RetsegError],
    line: str,
) -> None:
    workspace.add(volume, name="eye")
    with pytest.raises(kind) as caught:
        getattr(workspace, method)(*arguments)
    assert line in check_line(caught.value)


def test_a_model_of_other_classes_is_refused(
    tmp_path: Path, model: rs.Model, volume: np.ndarray
) -> None:
    with rs.Workspace.create(tmp_path / "other", classes=["vessel"]) as workspace:
        name = workspace.add(volume)
        with pytest.raises(ModelError) as caught:
            workspace.predict(name, model, progress=False)
        assert "none of the classes of the workspace (vessel)" in check_line(caught.value)


@pytest.mark.parametrize(
    ("bscans", "kind", "line"),
    [(3, InputError, "0 to 2, not 3"), ([-1], InputError, "not -1"), ("all", UsageError, "'all'")],
)
def test_wrong_bscans_are_one_line(
    workspace: rs.Workspace,
    drawn: tuple[np.ndarray, np.ndarray],
    bscans: Any,
    kind: type[RetsegError],
    line: str,
) -> None:
    name = workspace.add(drawn[0])
    with pytest.raises(kind) as caught:
        workspace.label(name, drawn[1], bscans=bscans)
    assert line in check_line(caught.value)


@pytest.mark.parametrize(
    ("make", "kind"),
    [
        (lambda: rs.Workspace.open("nowhere"), InputError),
        (lambda: rs.Workspace.open(7), UsageError),  # type: ignore[arg-type]
        (lambda: rs.Workspace.create(None), UsageError),  # type: ignore[arg-type]
        (lambda: rs.Workspace.create("w", classes="NFL"), UsageError),
    ],
)
def test_what_is_no_workspace_is_one_line(make: Any, kind: type[RetsegError]) -> None:
    with pytest.raises(kind) as caught:
        make()
    check_line(caught.value)

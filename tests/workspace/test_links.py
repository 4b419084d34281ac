"""Links in a workspace: whatever is done there, nothing outside of it is changed or removed."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from napari_retseg.classes import LabelClass, LabelSet
from napari_retseg.dataset import load_dataset, save_dataset
from napari_retseg.errors import InputError, OutsideError
from napari_retseg.events import BscanUncertainty
from napari_retseg.io import read_scan
from napari_retseg.scan import OctScan
from napari_retseg.workspace import Autosaver, RestorePoints, Workspace
from napari_retseg.workspace.write_lock import writing
from tests.conftest import TINY_CLASSES
from tests.workspace.conftest import SHAPE, draw_plane, write_scan_file


class Model:
    name, weights_id = "tiny", "w1"


#: Everything of a workspace that can be a link: folders, files, and places that are still free.
LINKS = (
    "labels",
    "labels/P1",
    "labels/P1/0000.png",
    "labels/P1/0003.png",
    "labels/P2",
    "labels/new",
    "predictions",
    "predictions/P1",
    "predictions/P1/0000.png",
    "predictions/P1/about.json",
    "predictions/P1/uncertainty",
    "predictions/P1/uncertainty/0000.png",
    "restore",
    "restore/000001",
    "restore/000001/0000.png",
    "restore/000001/point.json",
    "restore/000003",
    "restore/.staged-0123456789ab",
    "removed",
    "removed/P1",
    "removed/P2",
    "removed/P2/labels",
    "removed/P2/labels/0000.png",
    "removed/P2/case.json",
    "scans",
    "scans/new.tif",
    "rounds",
    "rounds/0001",
    "rounds/0001/.lock",
    "rounds/0002",
    "dataset.json",
    "workspace.json",
    ".lock",
    ".retseg-0123456789ab.json",
)

Act = Callable[[Workspace, Path], object]


def _uncertainty() -> BscanUncertainty:
    return BscanUncertainty(
        score=0.5, entropy=np.full(SHAPE[1:], 7, np.uint8), descriptor=(1.0, 2.0)
    )


def _open(_workspace: Workspace, _clinic: Path) -> None:
    """Opening alone, and what the viewer reads then."""


def _paint(workspace: Workspace, _clinic: Path) -> None:
    saver = Autosaver(workspace, on_error=lambda _text: None)
    for bscan in range(SHAPE[0]):
        saver.put("P1", bscan, draw_plane(20 + bscan))
    saver.put("P1", 0, draw_plane(30), state="confirmed")
    saver.flush()
    saver.close()


def _accept(workspace: Workspace, _clinic: Path) -> None:
    for bscan in range(SHAPE[0]):
        workspace.write_labels("P1", bscan, draw_plane(bscan), state="corrected", model="w1")


def _confirm(workspace: Workspace, _clinic: Path) -> None:
    for bscan in range(SHAPE[0]):
        workspace.write_labels("P1", bscan, draw_plane(40 + bscan), state="confirmed")


def _predict(workspace: Workspace, _clinic: Path) -> None:
    planes = {b: (draw_plane(50 + b), _uncertainty() if b else None) for b in range(SHAPE[0])}
    workspace.write_predictions("P1", planes, model=Model())


def _read(workspace: Workspace, _clinic: Path) -> None:
    for read in (workspace.read_labels, workspace.read_prediction, workspace.read_uncertainty):
        with suppress(InputError):
            read("P1")
    with suppress(InputError):
        RestorePoints(workspace).list()
    with suppress(InputError):
        list(workspace.rounds)


def _keep_and_prune(workspace: Workspace, _clinic: Path) -> None:
    RestorePoints(workspace, keep=1).make("test", name="P1")


def _go_back(workspace: Workspace, _clinic: Path) -> None:
    points = RestorePoints(workspace, keep=2)
    for number in (1, 2):
        with suppress(InputError):
            points.restore(number)
    points.undo()
    points.redo()


def _new_round(workspace: Workspace, _clinic: Path) -> None:
    workspace.save_snapshot(workspace.new_round() / "data")


def _pin_from_outside(workspace: Workspace, _clinic: Path) -> None:
    folder = workspace.folder
    workspace.close()
    with writing(folder):
        save_dataset(load_dataset(folder, allow_outside=True))


def _note_all(workspace: Workspace, _clinic: Path) -> None:
    workspace.pin()
    workspace.save_settings(model="x")
    workspace.describe_scan("P1", laterality="OS", group="somebody")


ACTS: dict[str, Act] = {
    "open": _open,
    "read": _read,
    "paint": _paint,
    "accept": _accept,
    "confirm": _confirm,
    "clear": lambda w, _: w.clear_labels("P1", range(4)),
    "predict": _predict,
    "keep and prune": _keep_and_prune,
    "go back": _go_back,
    "remove": lambda w, _: w.remove_scan("P1"),
    "bring back": lambda w, clinic: w.add_scan(read_scan(clinic / "P2.tif")),
    "add pixels": lambda w, _: w.add_scan(
        OctScan(np.zeros(SHAPE, np.uint8), ("bscan", "depth", "width")), name="new"
    ),
    "add labels": lambda w, clinic: w.add_dataset(load_dataset(clinic / "set"), with_labels=True),
    "move": lambda w, clinic: w.relocate("P1", clinic / "copy" / "P1.tif"),
    "note": _note_all,
    "classes": lambda w, _: w.set_classes(
        LabelSet(classes=(*w.classes.classes, LabelClass(value=9, name="new", color="#123456")))
    ),
    "export": lambda w, clinic: w.export_labels(
        clinic.parent / f"out{len(list(clinic.parent.iterdir()))}", only_confirmed=False
    ),
    "new round": _new_round,
    "pin": _pin_from_outside,
}


def make_template(folder: Path) -> Path:
    """Make a workspace in which all kinds of files lie, and a clinic with its scans."""
    clinic = folder / "clinic"
    paths = [write_scan_file(clinic / f"{name}.tif") for name in ("P1", "P2")]
    write_scan_file(clinic / "copy" / "P1.tif")
    scan = write_scan_file(clinic / "set" / "images" / "new.png", SHAPE[1:])
    (clinic / "set" / "labels").mkdir()
    Image.fromarray(draw_plane(5) % 4).save(clinic / "set" / "labels" / scan.name)
    names = {str(c.value): c.name for c in TINY_CLASSES.classes}
    (clinic / "set" / "dataset.json").write_text(json.dumps({"labels": names}))
    with Workspace.create(folder / "work", classes=TINY_CLASSES) as workspace:
        for path in paths:
            workspace.add_scan(read_scan(path))
            workspace.write_labels(path.stem, 0, draw_plane(0), state="confirmed")
            workspace.write_labels(path.stem, 1, draw_plane(1), state="corrected")
        _predict(workspace, clinic)
        points = RestorePoints(workspace)
        points.make("first", name="P1")
        workspace.write_labels("P1", 0, draw_plane(2), state="corrected")
        points.make("second", name="P1", bscans=[0])
        workspace.write_labels("P1", 0, draw_plane(3), state="confirmed")
        workspace.remove_scan("P2")
        run = workspace.new_round()
        workspace.save_snapshot(run / "data")
        (run / ".lock").touch()
        (run / ".retseg-0123456789ab.json").touch()
    return folder


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spare the disk: nothing is cut off here."""
    monkeypatch.setattr("os.fsync", lambda _number: None)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("template")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NAPARI_RETSEG_STATE", str(folder / "state"))
        patch.setenv("NAPARI_RETSEG_SALT", str(folder / "state" / "salt"))
        return make_template(folder)


@pytest.fixture
def place(template: Path, tmp_path: Path) -> Path:
    """A copy of the template; the scans stay where they were."""
    shutil.copytree(template, tmp_path / "place")
    return tmp_path / "place"


def plant(work: Path, name: str, outside: Path) -> None:
    """Put a link in the place of a file or folder; what lay there lies outside, with more."""
    link = work / name
    if link.is_symlink():
        return
    target = outside / name.replace("/", "_")
    if not target.exists():
        if link.exists():
            (shutil.copytree if link.is_dir() else shutil.copy)(link, target)
        elif link.suffix:
            target.write_bytes(b"theirs")
        else:
            target.mkdir(parents=True)
        if target.is_dir():
            for leftover in (".retseg-0123456789ab.png", "P1/.retseg-0123456789ab.png"):
                (target / leftover).parent.mkdir(exist_ok=True)
                (target / leftover).write_bytes(b"theirs")
            (target / ".staged-0123456789ab").mkdir()
            (target / ".staged-0123456789ab" / "0000.png").write_bytes(b"theirs")
    if link.is_dir():
        shutil.rmtree(link)
    else:
        link.unlink(missing_ok=True)
    link.parent.mkdir(parents=True, exist_ok=True)
    link.symlink_to(target)


def look(outside: Path) -> dict[str, tuple[str, int, int]]:
    """All that lies outside: content, permissions and times."""
    found = {}
    for path in sorted(outside.rglob("*")):
        status = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        found[str(path)] = (content, status.st_mode, status.st_mtime_ns)
    return found


def attempt(work: Path, act: Act, clinic: Path, *, meanwhile: Callable[[], None]) -> bool:
    """Open a workspace and do something there; whether nothing was refused."""
    try:
        with Workspace.open(work, trust=True) as workspace:
            meanwhile()
            act(workspace, clinic)
    except InputError:
        return False
    return True


@pytest.mark.parametrize("when", ["before", "while open"])
@pytest.mark.parametrize("link", LINKS)
def test_nothing_outside_is_changed(place: Path, link: str, when: str) -> None:
    work, clinic, outside = place / "work", place / "clinic", place / "outside"
    outside.mkdir()
    for name, act in ACTS.items():
        fresh = place / "fresh" / name
        shutil.copytree(work, fresh / "work")
        plant(fresh / "work", link, outside)
        before = look(outside)
        if when == "while open":
            (fresh / "work" / link).unlink()
            original = work / link
            if original.exists():
                (shutil.copytree if original.is_dir() else shutil.copy)(
                    original, fresh / "work" / link
                )
        attempt(
            fresh / "work", act, clinic, meanwhile=partial(plant, fresh / "work", link, outside)
        )
        assert look(outside) == before, f"{name} with {link} as a link"
        shutil.rmtree(fresh)


@pytest.mark.parametrize("name", ACTS)
def test_all_is_done_where_nothing_is_a_link(place: Path, name: str) -> None:
    assert attempt(place / "work", ACTS[name], place / "clinic", meanwhile=lambda: None)


def test_a_link_to_other_labels_of_the_workspace_is_refused(place: Path) -> None:
    """A prediction must not come to lie among the labels."""
    shutil.rmtree(place / "work" / "predictions" / "P1")
    (place / "work" / "predictions" / "P1").symlink_to(place / "work" / "labels" / "P1")
    before = look(place / "work" / "labels")
    with (
        Workspace.open(place / "work", trust=True) as workspace,
        pytest.raises(InputError, match="this is a link, but a real folder"),
    ):
        _predict(workspace, place)
    assert look(place / "work" / "labels") == before


def test_nothing_is_touched_before_the_user_has_agreed(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NAPARI_RETSEG_STATE", str(place / "other"))
    leftover = place / "work" / "labels" / "P1" / ".retseg-0123456789ab.png"
    leftover.write_bytes(b"half")
    (place / "work" / ".lock").unlink()
    before = look(place)
    with pytest.raises(OutsideError):
        Workspace.open(place / "work")
    assert look(place) == before
    with Workspace.open(place / "work", trust=True):
        assert not leftover.exists()


@pytest.mark.parametrize("what", ["file", "folder"])
def test_a_folder_of_bscans_with_a_link_out_of_it_counts_as_outside(
    place: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setenv("NAPARI_RETSEG_STATE", str(place / "other"))
    work, secret = place / "work", place / "secret"
    for number in range(3):
        write_scan_file(secret / f"{number}.png", SHAPE[1:])
        write_scan_file(work / "scans" / "eye" / f"{number}.png", SHAPE[1:])
    content = json.loads((work / "dataset.json").read_text())
    content["training"] = [{"image": "./scans/eye"}]
    (work / "dataset.json").write_text(json.dumps(content))
    with Workspace.open(work) as opened:
        assert opened.scans[0].n_bscans == 3
    if what == "file":
        (work / "scans" / "eye" / "3.png").symlink_to(secret / "1.png")
    else:
        (work / "scans" / "eye" / "deeper").symlink_to(secret)
    with pytest.raises(OutsideError):
        Workspace.open(work)
    with pytest.raises(OutsideError):
        load_dataset(work)


def test_a_workspace_that_named_nothing_outside_may_not_begin_to(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Opening it once does not allow scans that are added to it later."""
    monkeypatch.setenv("NAPARI_RETSEG_STATE", str(place / "other"))
    work = place / "work"
    content = json.loads((work / "dataset.json").read_text())
    listed, content["training"] = content["training"], []
    (work / "dataset.json").write_text(json.dumps(content))
    with Workspace.open(work):
        pass
    (work / "dataset.json").write_text(json.dumps({**content, "training": listed}))
    with pytest.raises(OutsideError):
        Workspace.open(work)
    with pytest.raises(OutsideError):
        load_dataset(work / "rounds" / "0001" / "data")
    (work / "dataset.json").write_text(json.dumps(content))
    with Workspace.open(work) as opened:  # whoever adds one himself has agreed
        opened.add_scan(read_scan(place / "clinic" / "P1.tif"))
    with Workspace.open(work) as opened:
        assert [entry.path.name for entry in opened.scans] == ["P1.tif"]

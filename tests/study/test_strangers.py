"""Folders and packs of strangers: one bad run is named, and the others are there."""

from __future__ import annotations

import json
import os
import zipfile
from pathlib import Path
from typing import Any

import pytest

from napari_retseg.errors import InputError, UsageError
from napari_retseg.study.catalogue import read_recipe
from napari_retseg.study.execute import run_study
from napari_retseg.study.pack import find_known, pack_runs, take_runs
from napari_retseg.study.request import split_changes
from napari_retseg.study.results import read_results
from napari_retseg.study.run_plan import StudyPlan
from napari_retseg.study.study_run import StudyFolder
from tests.conftest import check_line
from tests.study.conftest import Plan, Write, make_result

ABOUT = {"command": "c", "given": [], "data": {}, "versions": {}}


@pytest.fixture
def done(small_values: dict[str, Any], plan: Plan, tmp_path: Path) -> tuple[StudyPlan, StudyFolder]:
    """A study whose runs are all done."""
    made, folder = plan(small_values), StudyFolder(tmp_path / "out")
    folder.write_plan(made, ABOUT)
    for run in made.unique:
        folder.run(run.key).finish(make_result())
    return made, folder


def _spoil(path: Path, kind: str) -> None:
    content = json.loads(path.read_text())
    path.unlink()
    match kind:
        case "pipe":
            os.mkfifo(path)
        case "device":
            path.symlink_to("/dev/zero")
        case "deep":
            path.write_text("[" * 100_000)
        case "empty":
            path.write_text("{}")
        case "list":
            path.write_text("[]")
        case _:
            path.write_text(json.dumps({**content, kind: "x"}))


BAD_RESULTS = ["pipe", "device", "deep", "empty", "list", "seconds", "scores", "training"]


@pytest.mark.parametrize("kind", BAD_RESULTS)
def test_a_bad_result_is_named_and_the_others_are_there(
    done: tuple[StudyPlan, StudyFolder], kind: str
) -> None:
    plan, folder = done
    place = folder.run(plan.unique[0].key)
    _spoil(place.path / "done.json", kind)
    assert place.state == "unreadable"
    assert "done.json: " in place.failure
    assert len(read_results(plan, folder)) == len(plan.runs) - 1


@pytest.mark.parametrize("kind", ["pipe", "device", "deep", "empty", "list", "config", "data"])
def test_a_bad_specification_is_named_and_the_others_are_there(
    done: tuple[StudyPlan, StudyFolder], kind: str
) -> None:
    plan, folder = done
    _spoil(folder.run(plan.unique[0].key).path / "spec.json", kind)
    found = folder.read_plan()
    assert len(found.runs) == len(plan.runs) - 1
    assert "skipped one run: " in found.notes[-1]
    folder.write_plan(plan, ABOUT)  # mended by the next start
    assert len(folder.read_plan().runs) == len(plan.runs)


@pytest.mark.parametrize("kind", ["pipe", "device", "deep", "empty", "list", "recipe", "runs"])
def test_a_bad_study_is_one_line(done: tuple[StudyPlan, StudyFolder], kind: str) -> None:
    _, folder = done
    _spoil(folder.path / "study.json", kind)
    with pytest.raises(InputError, match=r"study\.json: ") as raised:
        folder.read_plan()
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("key", ["../../../elsewhere", "/tmp", "0" * 17, "Z" * 16, ""])
def test_the_key_of_a_run_leads_nowhere_else(done: tuple[StudyPlan, StudyFolder], key: str) -> None:
    _, folder = done
    path = folder.path / "study.json"
    content = json.loads(path.read_text())
    content["runs"][0]["key"] = key
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"runs\.0\.key"):
        folder.read_plan()


def test_a_run_in_the_place_of_another_is_not_taken(done: tuple[StudyPlan, StudyFolder]) -> None:
    plan, folder = done
    first, second = (folder.run(run.key).path / "spec.json" for run in plan.unique[:2])
    first.write_text(second.read_text())
    assert "belongs to another run" in folder.read_plan().notes[-1]


def test_what_is_known_of_files_is_made_again(
    small_values: dict[str, Any], plan: Plan, tmp_path: Path
) -> None:
    before = [run.key for run in plan(small_values).runs]
    for text in ("[" * 100_000, "[]", '{"a": 1}'):
        (tmp_path / "cache" / "contents.json").write_text(text)
        assert [run.key for run in plan(small_values).runs] == before


def test_a_replaced_file_of_the_same_size_and_time_is_another_run(
    small_values: dict[str, Any], plan: Plan, tiny_dataset: Path
) -> None:
    first = plan(small_values)
    path = first.runs[0].data.cases[0].image
    content, times = bytearray(path.read_bytes()), path.stat()
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert {run.key for run in first.runs}.isdisjoint({run.key for run in plan(small_values).runs})


@pytest.mark.slow
def test_an_unreadable_run_is_done_again(done: tuple[StudyPlan, StudyFolder]) -> None:
    from napari_retseg.events import CancelToken

    plan, folder = done
    _spoil(folder.run(plan.unique[0].key).path / "done.json", "deep")
    told = list(run_study(plan, folder, CancelToken()))
    assert [one.kind for one in told if one.kind != "told"] == ["begun", "done"]
    assert folder.run(plan.unique[0].key).state == "done"


def _change_pack(path: Path, name: str, content: bytes) -> None:
    with zipfile.ZipFile(path) as archive:
        entries = {one: archive.read(one) for one in archive.namelist()}
    wanted = next(one for one in entries if one.endswith(name))
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for one, before in entries.items():
            archive.writestr(one, content if one == wanted else before)


@pytest.mark.parametrize(
    "content",
    [b"[]", b"{}", b"[" * 100_000, b"\xff", b'{"seconds": 1e999}', b"\0" * 70_000_000],
    ids=["list", "empty", "deep", "bytes", "infinite", "large"],
)
@pytest.mark.parametrize("name", ["pack.json", "result.json"])
def test_a_bad_pack_is_one_line(
    done: tuple[StudyPlan, StudyFolder], tmp_path: Path, name: str, content: bytes
) -> None:
    plan, folder = done
    pack_runs(plan, folder, tmp_path / "a.zip")
    _change_pack(tmp_path / "a.zip", name, content)
    other = StudyFolder(tmp_path / "other")
    try:
        find_known(plan, [tmp_path / "a.zip"])
        taken = take_runs(plan, other, [tmp_path / "a.zip"])
    except InputError as error:
        check_line(error, f"{tmp_path / 'a.zip'}: not a pack of a study (")
    else:
        assert name == "pack.json"
        assert taken == len(plan.unique)


def test_events_of_a_pack_are_ours_or_left_out(
    done: tuple[StudyPlan, StudyFolder], tmp_path: Path
) -> None:
    plan, folder = done
    pack_runs(plan, folder, tmp_path / "a.zip")
    _change_pack(tmp_path / "a.zip", "events.jsonl", b"[]\n" + b"[" * 50_000 + b"\n" + b'{"a"')
    other = StudyFolder(tmp_path / "other")
    assert take_runs(plan, other, [tmp_path / "a.zip"]) == len(plan.unique)


@pytest.mark.parametrize("text", ["a: &a [x]\nb: [*a, *a]", "[" * 5000, "1" * 5000, "2020-13-45"])
def test_settings_beyond_the_limits_are_one_line(
    text: str, small_values: dict[str, Any], write_recipe: Write
) -> None:
    with pytest.raises(UsageError, match=r"^--set sizes") as raised:
        split_changes({"sizes": text})
    assert "\n" not in str(raised.value)
    path = write_recipe(small_values)
    path.write_text(path.read_text() + f"\nnote: {text}")
    with pytest.raises((InputError, UsageError)) as caught:
        read_recipe(str(path))
    assert "\n" not in str(caught.value)


def test_a_recipe_that_crosses_to_billions_is_refused(
    small_values: dict[str, Any], plan: Plan
) -> None:
    levels: dict[str, dict[str, dict[str, str]]] = {
        f"f{i}": {str(k): {} for k in range(10)} for i in range(12)
    }
    small_values["grids"]["rates"]["factors"] = levels
    with pytest.raises(UsageError, match="a study can have at most 100,000"):
        plan(small_values)

"""Packs of finished runs: whole, without anything of the machine, and taken over once."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from napari_retseg.events import StepDone
from napari_retseg.rounds.curves import Curves
from napari_retseg.study.pack import join_steps
from napari_retseg.study.study_run import StudyFolder
from tests.cli.conftest import invoke, only_error
from tests.study.conftest import Write, scores_of, stamps
from tests.study.test_execute import study


@pytest.fixture
def packed(
    small_values: dict[str, Any], write_recipe: Write, tiny_dataset: Path, tmp_path: Path
) -> tuple[Path, Path, Path]:
    """A recipe, the folder of the study when it was done, and its pack."""
    small_values["splits"] = {"one": {"plan": "80/20"}}
    recipe, output = write_recipe(small_values), tmp_path / "out"
    assert study(recipe, tiny_dataset, output).exit_code == 0
    done = invoke("study", "pack", output, tmp_path / "runs.zip")
    assert done.exit_code == 0, done.output
    assert "2 runs" in done.output
    return recipe, output, tmp_path / "runs.zip"


@pytest.mark.slow
def test_another_study_takes_over_what_it_has_in_common(
    packed: tuple[Path, Path, Path],
    small_values: dict[str, Any],
    write_recipe: Write,
    tiny_dataset: Path,
    tmp_path: Path,
) -> None:
    _, output, pack = packed
    small_values["grids"]["rates"]["factors"]["lr"] = [0.001, 0.02]
    recipe, other = write_recipe(small_values, "edited.yaml"), tmp_path / "other"
    planned = study(recipe, tiny_dataset, other, "--known", str(pack), "--dry-run")
    assert "2 runs, 1 to do" in planned.output
    assert planned.output.count("known    ") == 1
    done = study(recipe, tiny_dataset, other, "--known", str(pack))
    assert done.exit_code == 0, done.output
    assert "1 run imported, 2 in all" in done.output
    assert done.output.count("begun") == 1
    before, after = scores_of(output), scores_of(other)
    shared = before.keys() & after.keys()
    assert len(shared) == 1
    assert {key: after[key] for key in shared} == {key: before[key] for key in shared}
    text = (other / "report.html").read_text()
    assert "imported from other computers: 1 from runs.zip" in text
    kept = stamps(other)
    again = study(recipe, tiny_dataset, other, "--known", str(pack))
    assert "0 runs imported" in again.output
    assert stamps(other) == kept


def test_a_long_curve_is_packed_as_some_hundred_points() -> None:
    steps = [StepDone(n, 1 / n, 1e-3, 0.01, n / 10_001) for n in range(1, 10_002)]
    joined = join_steps(steps, 400)
    assert 300 < len(joined) <= 400
    assert joined[-1].iteration == 10_001
    assert sum(step.seconds for step in joined) == pytest.approx(100.01)
    assert join_steps(steps[:7], 400) == [
        replace(s, loss=float(f"{s.loss:.5g}"), position=round(s.position, 5)) for s in steps[:7]
    ]
    assert join_steps([], 400) == []
    whole, short = Curves(), Curves()
    for step in steps:
        whole.take(step)
    for step in joined:
        short.take(step)
    places = short.iterations[20:].astype(int) - 1
    assert short.smoothed_losses[20:] == pytest.approx(whole.smoothed_losses[places], rel=0.05)


@pytest.mark.slow
def test_a_pack_repeats_and_holds_nothing_of_the_machine(
    packed: tuple[Path, Path, Path], tmp_path: Path
) -> None:
    _, output, pack = packed
    assert invoke("study", "pack", output, tmp_path / "again.zip").exit_code == 0
    assert (tmp_path / "again.zip").read_bytes() == pack.read_bytes()
    with zipfile.ZipFile(pack) as archive:
        names = archive.namelist()
        assert {Path(name).name for name in names} == {"pack.json", "result.json", "events.jsonl"}
        assert not any(str(tmp_path).encode() in archive.read(name) for name in names)
        events = archive.read(next(name for name in names if name.endswith("events.jsonl")))
        name = next(name for name in names if name.endswith("result.json"))
        result = json.loads(archive.read(name))
    record = StudyFolder(output).run(name.partition("/")[0]).read_result()
    kept, packed_scores = ({**one["scores"]} for one in (record, result))
    own, hidden = kept.pop("bscans"), packed_scores.pop("bscans")
    assert kept == packed_scores
    assert [one["classes"] for one in own] == [one["classes"] for one in hidden]
    names_of_cases = {text for one in own for text in (one["name"], one["group"])}
    with zipfile.ZipFile(pack) as archive:
        texts = [archive.read(name).decode() for name in archive.namelist()]
    assert not [name for name in names_of_cases for text in texts if f'"{name}' in text]
    assert all(bscan.keys() == {"name", "group", "classes"} for bscan in hidden)
    assert "bscans" not in (result["start_scores"] or {})
    kinds = {json.loads(line)["event"] for line in events.splitlines()}
    assert kinds == {"TrainingPlanned", "StepDone", "Scored"}


@pytest.mark.slow
def test_what_is_no_pack_is_refused_in_one_line(
    packed: tuple[Path, Path, Path], tiny_dataset: Path, tmp_path: Path
) -> None:
    recipe, _, pack = packed
    bad, other = tmp_path / "bad.zip", tmp_path / "other"
    for content in (b"nothing", pack.read_bytes()[:-200], _rewrite(pack, lacks="pack.json"),
                    _rewrite(pack, empties="result.json")):  # fmt: skip
        bad.write_bytes(content)
        done = study(recipe, tiny_dataset, other, "--known", str(bad))
        assert done.exit_code == 1
        assert f"{bad}: not a pack of a study" in only_error(done)
        assert not stamps(other)


def _rewrite(pack: Path, *, lacks: str = "", empties: str = "-") -> bytes:
    """A pack without some of its files, or with some that say nothing."""
    stream = io.BytesIO()
    with zipfile.ZipFile(pack) as good, zipfile.ZipFile(stream, "w") as archive:
        for name in good.namelist():
            if name != lacks:
                archive.writestr(name, "{}" if name.endswith(empties) else good.read(name))
    return stream.getvalue()


def test_there_is_nothing_to_pack_before_a_run_is_done(
    small_values: dict[str, Any], write_recipe: Write, tiny_dataset: Path, tmp_path: Path
) -> None:
    done = invoke("study", "pack", tmp_path / "none", tmp_path / "runs.zip")
    assert done.exit_code == 1
    assert "contains no study" in only_error(done)
    assert not (tmp_path / "runs.zip").exists()

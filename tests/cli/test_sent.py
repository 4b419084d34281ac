"""Workers that do not see the files of this machine: the same files and report as with this one."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from napari_retseg.cli import courier
from napari_retseg.engine.sight import SightJob
from napari_retseg.io import write_scan
from napari_retseg.scan import OctScan
from tests.cli.conftest import Run, draw_bscan, only_error, save_bscan
from tests.remote import Remote

pytestmark = pytest.mark.slow  # a scheduler and two workers

EXACT = ("--precision", "fp32", "--device", "cpu")


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Remote]:
    """A scheduler with two workers."""
    cluster = Remote(tmp_path_factory.mktemp("cluster"))
    cluster.add_worker()
    cluster.add_worker()
    yield cluster
    cluster.close()


@pytest.fixture(autouse=True)
def blind(monkeypatch: pytest.MonkeyPatch) -> None:
    """The workers are asked for a folder that is nowhere, too."""
    monkeypatch.setattr(courier, "SightJob", lambda paths: SightJob((*paths, Path("/nowhere"))))


def list_contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in sorted(files)}


def test_what_is_predicted_elsewhere_is_what_this_process_predicts(
    run: Run, cluster: Remote, tiny_bundle: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for k in range(6):
        save_bscan(tmp_path / "scans" / "in" / f"b{k}.png", seed=k)
    pixels = np.stack([draw_bscan(seed) for seed in (7, 8, 9)])
    write_scan(tmp_path / "scans" / "v.nii.gz", OctScan(pixels, ("bscan", "depth", "width")))
    (tmp_path / "scans" / "bad.npy").write_bytes(b"no picture")
    given = ("predict", "scans", "--recursive", "--model", tiny_bundle, "--uncertainty", "--json")
    there = ("--scheduler", cluster.address)
    shown, errors = {}, {}
    for name, more in (("here", ()), ("there", there), ("again", (*there, "--resume"))):
        if name == "again":
            (tmp_path / "there").rename(tmp_path / "again")
            (tmp_path / "again" / "v.nii.gz").unlink()
        result = run(*given, "--output", name, *more, *EXACT, "--overlay")
        assert result.exit_code == 1
        said = re.sub(r'"seconds": [0-9.]+', '"seconds": 0', result.stdout)
        shown[name] = json.loads(said.replace(f'"{name}', '"OUT'))
        errors[name] = [line for line in result.stderr.splitlines() if line.startswith("error")]
        if name == "there":
            assert "the files are sent" in result.stderr
            assert list_contents(tmp_path / "there") == list_contents(tmp_path / "here")
    for key, value in shown["here"].items():
        assert shown["there"][key] == value
    assert errors["there"] == errors["here"] == errors["again"]
    assert "scans/bad.npy" in errors["here"][0]
    assert len(shown["again"]["skipped"]) == 6
    assert [one["input"] for one in shown["again"]["predicted"]] == ["scans/v.nii.gz"]
    assert list_contents(tmp_path / "again") == list_contents(tmp_path / "here")


def test_scores_and_numbers_from_elsewhere_are_those_of_this_process(
    run: Run,
    cluster: Remote,
    tiny_dataset: Path,
    tiny_bundle: Path,
    tmp_path: Path,
) -> None:
    there = ("--scheduler", cluster.address)
    scoring = ("evaluate", tiny_dataset, "--model", tiny_bundle, "--split", "train", "--json")
    here, sent = (run(*scoring, *more, *EXACT) for more in ((), there))
    assert "the files are sent" in sent.stderr
    assert json.loads(sent.stdout) == json.loads(here.stdout)
    scans, labels = tmp_path / "scans", tmp_path / "labels"
    for path in sorted((tiny_dataset / "images").iterdir())[:3]:
        save_bscan(scans / path.name, seed=len(path.name))
    predicted = run("predict", scans, "--model", tiny_bundle, "--output", labels, *EXACT)
    assert predicted.exit_code == 0, predicted.output
    (labels / "bad.png").write_bytes(b"no picture")
    measuring = ("measure", labels, "--scan", scans, "--json")
    shown = {}
    for name, more in (("here", ()), ("there", there), ("again", (*there, "--resume"))):
        if name == "again":
            (tmp_path / "there").rename(tmp_path / "again")
            next((tmp_path / "again").glob("*/about.json")).unlink()
        result = run(*measuring, "--output", tmp_path / name, *more)
        assert result.exit_code == 1, result.output
        shown[name] = json.loads(result.stdout.replace(f"{tmp_path / name}", "OUT"))
        assert list_contents(tmp_path / name) == list_contents(tmp_path / "here")
    assert shown["there"] == shown["here"]
    assert sum(one["resumed"] for one in shown["again"]["measured"]) == (
        len(shown["here"]["measured"]) - 1
    )


def test_a_training_elsewhere_leaves_what_one_here_leaves(
    run: Run,
    cluster: Remote,
    tiny_dataset: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    there = ("--scheduler", cluster.address)
    length = ("--iterations", "4", "--score-every", "2", "--checkpoint-seconds", "0")
    older = ("--rehearse", tiny_dataset.name, "--rehearse-share", "0.5")
    about = ("--from", tiny_bundle, "--batch-size", "2", "--json", *older, *length, *EXACT)
    command = ("train", tiny_dataset, *about)
    shown = {}
    for name, more in (("here", ()), ("there", there)):
        result = run(*command, "--output", tmp_path / name, *more)
        assert result.exit_code == 0, result.output
        shown[name] = json.loads(result.stdout.replace(f"{tmp_path / name}", "OUT"))
    assert "the files are sent" in result.stderr
    assert "held-out scores after 2 iterations" in result.stderr
    assert shown["there"] == shown["here"]
    here, sent = (list_contents(tmp_path / name) for name in ("here", "there"))
    assert sent.keys() == here.keys()
    timed = {"events.jsonl", "metrics.csv", "checkpoints/last.pt"}
    differing = {name for name in here if here[name] != sent[name]}
    assert differing <= timed
    assert sent["metrics.csv"] == here["metrics.csv"]
    events = [json.loads(line) for line in sent["events.jsonl"].splitlines()]
    told = [one["path"] for one in events if one["event"] == "CheckpointSaved"]
    assert set(told) == {str(tmp_path / "there" / "checkpoints" / "last.pt")}
    # a run that is there is refused at once, and an ended one resumes to the same end
    result = run(*command, "--output", tmp_path / "there", *there)
    assert "already contains a run" in only_error(result)
    result = run(*command, "--output", tmp_path / "there", "--resume", *there)
    assert result.exit_code == 0, result.output
    assert (
        list_contents(tmp_path / "there")["model/model.safetensors"]
        == (here["model/model.safetensors"])
    )

"""A batch goes on whatever one scan does; what it leaves out is said."""

from __future__ import annotations

import csv
import errno
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from napari_retseg.classes import LabelSet
from napari_retseg.cli import app
from napari_retseg.cli import predict_files as module
from napari_retseg.cli.batch import Batch
from napari_retseg.cli.labeller import Labeller
from napari_retseg.cli.listing import Place, list_scans
from napari_retseg.cli.predict_files import Wanted
from napari_retseg.cli.reporting import Reporter
from napari_retseg.cli.summary import Summary
from napari_retseg.cli.uncertainty_maps import Ranking
from napari_retseg.errors import ModelError
from napari_retseg.events import BscanPredicted, BscanUncertainty, Cancel, Event, Finished
from napari_retseg.failures import OUT_OF_MEMORY
from napari_retseg.io import write_scan
from napari_retseg.models import ModelInfo
from napari_retseg.models.label_records import Origin, Records
from napari_retseg.scan import OctScan
from tests.cli.conftest import DEPTH, WIDTH, Run, save_bscan, visible

NAMES = ("a.png", "bad.png", "c.png")


class OutOfMemoryError(RuntimeError):
    """As torch's."""


ERRORS = [
    MemoryError(),
    np._core._exceptions._ArrayMemoryError((9, 9), np.dtype("f4")),  # type: ignore[attr-defined]
    OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has a total of\n1"),
    RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory"),
    RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
    RuntimeError("mat1 and mat2 shapes cannot be multiplied"),
    OSError(errno.ENOSPC, "No space left on device"),
    OSError(errno.ENOMEM, "Cannot allocate memory"),
    OSError("no number"),
    np.linalg.LinAlgError("Singular matrix"),
    UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"),
    ValueError("x"),
    KeyError("x"),
    ZeroDivisionError(),
    RecursionError(),
    AssertionError(),
    StopIteration(),
    EOFError(),
    ModelError("a model"),
]
MEMORY = [*ERRORS[:5], ERRORS[7]]


def name_error(error: Exception) -> str:
    return f"{type(error).__name__}-{ERRORS.index(error)}"


@pytest.fixture
def study(tmp_path: Path) -> list[Place]:
    """Three scans."""
    return [Place(save_bscan(tmp_path / "s" / n, seed=k)) for k, n in enumerate(NAMES)]


@pytest.fixture
def do_batch(tmp_path: Path, tiny_info: ModelInfo) -> Callable[..., Summary]:
    """Runs a batch with a model that is played, with every output there is."""

    def play(scan: OctScan, _cancel: Cancel) -> Iterator[Event]:
        entropy = np.full((DEPTH, WIDTH), 9, np.uint8)
        found = BscanUncertainty(0.5, entropy, (0.1, 0.2))
        yield BscanPredicted(0, np.ones((DEPTH, WIDTH), np.uint8), found)
        yield Finished()

    def call(places: list[Place], label: Callable[..., Iterator[Event]] = play) -> Summary:
        origin = Origin(scan="", weights="", model="", options={}, program="")
        labeller = Labeller(tmp_path, tiny_info, label, lambda _: origin)
        with Reporter(as_json=True) as reporter:
            batch = Batch(
                wanted=Wanted(tmp_path / "out", overlay=True, uncertainty=True),
                labeller=labeller,
                reporter=reporter,
                threads=3,
            )
            return batch.run(places)

    call.play = play  # type: ignore[attr-defined]
    return call


def fail_for_one(real: Callable[..., Any], error: Exception) -> Callable[..., Any]:
    """Make a function raise where an argument is of the bad scan."""

    def call(*arguments: Any, **options: Any) -> Any:
        about = [*arguments, *options.values()]
        if any("bad." in str(getattr(one, "source", one)) for one in about if one is not None):
            raise error
        return real(*arguments, **options)

    return call


STEPS = [
    (module, "read_scan"),
    (module, "label_path"),
    (module, "LabelWriter"),
    (module, "write_bytes"),
    (Records, "look"),
    (Records, "write"),
    (Ranking, "open_map"),
]


@pytest.mark.parametrize("error", ERRORS, ids=name_error)
def test_any_failure_of_one_scan_at_any_step_is_one_line_and_the_others_are_done(
    study: list[Place],
    do_batch: Callable[..., Summary],
    tmp_path: Path,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def predict_badly(scan: OctScan, cancel: Cancel) -> Iterator[Event]:
        if "bad." in str(scan.source):
            raise error
        yield from do_batch.play(scan, cancel)  # type: ignore[attr-defined]

    # each error at a third of the steps, each step with a third of the errors
    steps = [*STEPS, (None, "predict")]
    for owner, name in steps[ERRORS.index(error) % 3 :: 3]:
        with monkeypatch.context() as patch:
            if owner is None:
                summary = do_batch(study, predict_badly)
            else:
                patch.setattr(owner, name, fail_for_one(getattr(owner, name), error))
                summary = do_batch(study)
        assert [Path(one["input"]).name for one in summary.predicted] == ["a.png", "c.png"], name
        assert [Path(one["input"]).name for one in summary.failed] == ["bad.png"], name
        assert summary.exit_code == 1
        said = capsys.readouterr().err
        errors = [line for line in said.splitlines() if line.startswith("error: ")]
        assert len(errors) == 1, said
        assert "bad.png: " in errors[0]
        assert "Traceback" not in said
        if error in MEMORY:
            assert OUT_OF_MEMORY in errors[0]
        with (tmp_path / "out" / "uncertainty.csv").open(newline="") as file:
            ranked = {Path(row["file"]).name for row in csv.DictReader(file)}
        assert ranked == {"a.png", "c.png"}, name
        assert not list((tmp_path / "out").rglob(".retseg-*")), name


@pytest.mark.parametrize("error", ERRORS, ids=name_error)
def test_a_ranking_that_cannot_be_written_is_one_line_and_the_labels_are_told(
    study: list[Place],
    do_batch: Callable[..., Summary],
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(_: Ranking) -> None:
        raise error

    monkeypatch.setattr(Ranking, "write", fail)
    summary = do_batch(study)
    assert len(summary.predicted) == 3
    assert [Path(one["input"]).name for one in summary.failed] == ["uncertainty.csv"]
    assert summary.exit_code == 1
    assert "uncertainty.csv: " in capsys.readouterr().err


ANY_BYTES = pytest.mark.skipif(sys.platform != "linux", reason="names are any bytes on Linux")
HOSTILE = [b"caf\xe9.png", "größe 眼.png".encode(), b"a\x1b[31m.png", b"b\nerror: c.png", b"=z.png"]


def check_hostile_batch(out: Path, stdout: bytes, stderr: bytes, *, as_json: bool) -> None:
    """Check what was written and said about a batch of scans with hostile names."""
    written = [os.fsencode(name) for name in visible(out) if name.endswith("png")]
    assert sorted(written) == sorted(HOSTILE)
    for stream in (stdout, stderr):
        assert not set(stream) & {*range(32), 127} - {10}
    assert not [line for line in stderr.splitlines() if line.startswith(b"error:")]
    with (out / "uncertainty.csv").open(newline="", encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == len(HOSTILE)
    if as_json:
        inputs = [one["input"] for one in json.loads(stdout)["predicted"]]
        assert sorted(os.fsencode(Path(name).name) for name in inputs) == sorted(HOSTILE)
    else:
        assert len(stdout.splitlines()) == len(HOSTILE) + 2


@ANY_BYTES
@pytest.mark.parametrize("charset", ["ascii", "latin-1", "utf-8"])
@pytest.mark.parametrize("as_json", [True, False])
def test_names_that_no_console_can_print(
    steady_model: Path, tmp_path: Path, charset: str, as_json: bool
) -> None:
    for name in HOSTILE:
        save_bscan(tmp_path / "s" / os.fsdecode(name), seed=1)
    out = tmp_path / "out"
    command = ["predict", str(tmp_path / "s"), "--output", str(out), "--model", str(steady_model)]
    command += ["--uncertainty", *(["--json"] if as_json else [])]
    result = CliRunner(charset=charset).invoke(app, command)
    assert result.exit_code == 0, result.stderr_bytes
    check_hostile_batch(out, result.stdout_bytes, result.stderr_bytes, as_json=as_json)


@ANY_BYTES
def test_names_that_the_plainest_terminal_cannot_print(steady_model: Path, tmp_path: Path) -> None:
    for name in HOSTILE:
        save_bscan(tmp_path / "s" / os.fsdecode(name), seed=1)
    out = tmp_path / "out"
    command = [sys.executable, "-m", "napari_retseg", "predict", str(tmp_path / "s"), "--json"]
    command += ["--output", str(out), "--model", str(steady_model), "--uncertainty"]
    plain = {"PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0", "LC_ALL": "C"}
    done = subprocess.run(
        command, capture_output=True, env={**os.environ, **plain}, timeout=200, check=False
    )
    assert done.returncode == 0, done.stderr
    check_hostile_batch(out, done.stdout, done.stderr, as_json=True)


def test_what_a_folder_holds_beside_its_scans_is_said(
    run: Run, tmp_path: Path, tiny_bundle: Path
) -> None:
    folder = tmp_path / "study"
    for name in ("a.png", "od/b.png", "os/deep/c.png", "os/c.png"):
        save_bscan(folder / name, seed=1)
    for name in ("notes.txt", "x.doc", "y.xls", "z.pdf", ".DS_Store"):
        (folder / name).touch()
    (folder / "gone.png").symlink_to(tmp_path / "nowhere.png")
    arguments = ("--model", tiny_bundle, "--json")
    result = run("predict", folder, "--output", tmp_path / "flat", *arguments)
    assert result.exit_code == 0, result.output
    assert (
        f"{folder}: skipped 2 sub-folders (od, os; add --recursive to include them) and "
        "5 files of other types (gone.png, notes.txt, x.doc, ...)"
    ) in result.stderr
    (left_out,) = json.loads(result.stdout)["left_out"]
    assert left_out["subfolders"] == ["od", "os"]
    assert left_out["files"] == ["gone.png", "notes.txt", "x.doc", "y.xls", "z.pdf"]

    out = folder / "labels"  # within the study: its own files are no scans of the next run
    for _ in range(2):
        result = run("predict", folder, "--recursive", "--output", out, *arguments, "--uncertainty")
        assert result.exit_code == 0, result.output
        found = json.loads(result.stdout)
        labels = [Path(one["labels"]).relative_to(out).as_posix() for one in found["predicted"]]
        assert labels == ["a.png", "od/b.png", "os/c.png", "os/deep/c.png"]
        assert all(Path(one["labels"]).is_file() for one in found["predicted"])
        assert (out / "uncertainty" / "os" / "deep" / "c.png").is_file()
    again = run("predict", folder, "--recursive", "--output", out, *arguments, "--resume")
    assert len(json.loads(again.stdout)["skipped"]) == 4


def test_folders_within_a_folder_can_each_be_a_volume(tmp_path: Path) -> None:
    for name in ("p1/od/0.png", "p1/od/1.png", "p1/os/0.png", "p2/0.png", "p2/more.nii.gz"):
        save_bscan(tmp_path / name.replace(".nii.gz", ".png"), seed=1)
        if name.endswith("gz"):
            (tmp_path / name).touch()
            (tmp_path / name.replace(".nii.gz", ".png")).unlink()
    listing = list_scans([tmp_path], as_volume=True, recursive=True)
    found = {(p.path.relative_to(tmp_path).as_posix(), p.inside.as_posix()) for p in listing.places}
    assert found == {("p1/od", "p1"), ("p1/os", "p1"), ("p2", "."), ("p2/more.nii.gz", "p2")}
    alone = list_scans([tmp_path / "p2"], as_volume=True)
    assert [place.path.name for place in alone.places] == ["p2"]
    assert alone.left_out[0].files == ["more.nii.gz"]


def test_links_do_not_lead_a_listing_in_circles(tmp_path: Path) -> None:
    save_bscan(tmp_path / "s" / "a.png", seed=1)
    (tmp_path / "s" / "loop").symlink_to(tmp_path / "s")
    (tmp_path / "s" / "self").symlink_to("self")
    listing = list_scans([tmp_path / "s"], recursive=True)
    assert [place.path.name for place in listing.places] == ["a.png"]
    assert listing.left_out[0].subfolders == ["loop"]
    assert listing.left_out[0].files == ["self"]


def test_a_closed_pipe_does_not_end_the_work(steady_model: Path, tmp_path: Path) -> None:
    for number in range(3):
        save_bscan(tmp_path / "s" / f"{number}.png", seed=number)
    command = [sys.executable, "-m", "napari_retseg", "predict", str(tmp_path / "s"), "--output"]
    command += [str(tmp_path / "out"), "--model", str(steady_model)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout is not None
        process.stdout.close()
        process.wait(timeout=200)
    assert visible(tmp_path / "out") == ["0.png", "1.png", "2.png"]


def test_bscans_that_no_eye_can_have_are_told_and_ranked_first(
    tmp_path: Path, tiny_info: ModelInfo, capsys: pytest.CaptureFixture[str]
) -> None:
    info = tiny_info.model_copy(update={"classes": LabelSet.from_names(["NFL", "INL", "fluid"])})
    possible = np.zeros((DEPTH, WIDTH), np.uint8)
    possible[10:20], possible[20:30] = 1, 2
    doubled = possible.copy()
    doubled[32:42] = 1

    def label(scan: OctScan, _cancel: Cancel) -> Iterator[Event]:
        for index in range(scan.n_bscans):
            is_odd = "odd" in str(scan.source) and index == 1
            found = BscanUncertainty(0.01 if is_odd else 0.9, possible, (float(index), 0.2))
            runs = ((0, WIDTH // 2),) if "odd" in str(scan.source) and index == 2 else ()
            yield BscanPredicted(index, doubled if is_odd else possible, found, runs)
        yield Finished()

    pixels = np.zeros((3, DEPTH, WIDTH), np.uint8)
    for name in ("even.tif", "odd.tif"):
        write_scan(tmp_path / name, OctScan(pixels, ("bscan", "depth", "width")))
    origin = Origin(scan="", weights="", model="", options={}, program="")
    for resume in (False, True):
        with Reporter(as_json=True) as reporter:
            batch = Batch(
                wanted=Wanted(tmp_path / "out", uncertainty=True, resume=resume),
                labeller=Labeller(tmp_path, info, label, lambda _: origin),
                reporter=reporter,
            )
            summary = batch.run([Place(tmp_path / "even.tif"), Place(tmp_path / "odd.tif")])
        assert summary.ranking is not None
        first, second, *_ = summary.ranking
        assert (Path(first.file).name, first.bscan) == ("odd.tif", 1)
        assert first.misplaced > 0.3
        assert (Path(second.file).name, second.bscan) == ("odd.tif", 2)
        assert (first.doubtful, second.doubtful, second.misplaced) == (0, 0.5, 0)
        assert [one.rank for one in summary.ranking] == [1, 2, 3, 4, 5, 6]
        if not resume:
            found = [[one["bscan"] for one in entry["impossible"]] for entry in summary.predicted]
            assert found == [[], [1]]
            told = capsys.readouterr().err
            assert "odd.tif: check the labels of 1 of 3 B-scans (1): layers" in told
            assert "odd.tif: check the labels of 1 of 3 B-scans (2): the evidence" in told
            found = [[one["bscan"] for one in entry["doubtful"]] for entry in summary.predicted]
            assert found == [[], [2]]
            record = json.loads((tmp_path / "out" / ".retseg" / "odd.tif.json").read_text())
            assert record["doubtful"] == {"2": [[0, WIDTH // 2]]}
        else:
            assert len(summary.skipped) == 2


def test_a_folder_that_takes_no_files_is_told_for_each_scan(
    study: list[Place], do_batch: Callable[..., Summary], tmp_path: Path
) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out").chmod(0o500)
    (tmp_path / "out" / ".retseg").touch()  # root may write anywhere, but not within a file
    summary = do_batch(study)
    assert len(summary.failed) == 4  # and the ranking
    assert all("out" in one["error"] for one in summary.failed)

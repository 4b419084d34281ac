"""Jobs that travel with their files: what a worker keeps, and where it may write."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from napari_retseg.engine import parcel as module
from napari_retseg.engine.jobs import Lane
from napari_retseg.engine.parcel import Courier, Move, Parcel, Sent, check_names
from napari_retseg.engine.store import FOLDER, LIMIT, Store
from napari_retseg.errors import InputError, JobError
from napari_retseg.events import Cancel, CancelToken, Event, Finished, Message


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


@dataclass(frozen=True)
class CopyJob:
    """Write what is in a scan and in a model."""

    scan: Path
    bundle: Path
    written: Path
    lane: ClassVar[Lane] = "predict"

    def run(self, cancel: Cancel):  # type: ignore[no-untyped-def]
        yield Message(f"reads {self.scan}")
        content = self.scan.read_bytes() + (self.bundle / "model.json").read_bytes()
        (self.written / "inside").mkdir()
        (self.written / "inside" / "copy").write_bytes(content)
        yield Finished(result={"said": [f"{self.scan} by {self.bundle}"]})

    def list_files(self) -> list[Path]:
        return [self.scan]

    def move(self, to: Move) -> CopyJob:
        return CopyJob(to(self.scan), to(self.bundle), to(self.written))

    def receive(self, files: Mapping[str, bytes], result: Mapping[str, Any]) -> None:
        pytest.fail("nothing comes back from this job")


@pytest.fixture
def job(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> CopyJob:
    monkeypatch.setenv(FOLDER, str(tmp_path / "kept"))
    monkeypatch.setenv(LIMIT, "1000")
    monkeypatch.setattr(module, "_own_address", lambda: "tcp://me")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "model.json").write_bytes(b"w")
    (tmp_path / "a.png").write_bytes(b"a")
    return CopyJob(tmp_path / "a.png", tmp_path / "model", tmp_path / "out")


def work(parcel: Parcel) -> tuple[list[Event], dict[str, bytes]]:
    """Do it as a worker would; the events, and what is returned."""
    events = []
    generator = parcel.run(CancelToken())
    while True:
        try:
            events.append(next(generator))
        except StopIteration as end:
            return events, end.value


def test_a_worker_asks_for_the_model_once_and_names_the_files_of_the_client(
    job: CopyJob, tmp_path: Path
) -> None:
    first = Courier({}).pack(job)
    assert list(first.data.values()) == [b"a"]  # a scan goes with its job, the model does not
    (asked,), files = work(first)
    assert files == {}
    assert asked == Finished(result={"lacking": [digest(b"w")], "worker": "tcp://me"})
    second = Courier({}).pack(job, [digest(b"w")], "tcp://me")
    assert (list(second.data.values()), second.worker) == ([b"w"], "tcp://me")  # it kept the scan
    events, files = work(second)
    assert files == {"inside/copy": b"aw"}
    scan, model = tmp_path / "a.png", tmp_path / "model"
    assert events == [
        Message(f"reads {scan}"),
        Finished(result={"said": [f"{scan} by {model}"]}),
    ]
    kept = Courier({"tcp://me": [digest(b"a")]}).pack(job)
    assert (kept.data, kept.worker) == ({}, "tcp://me")
    assert work(kept)[1] == {"inside/copy": b"aw"}
    assert not (tmp_path / "out").exists()  # it writes in a folder of its own


def test_what_was_changed_on_its_way_is_refused(job: CopyJob, tmp_path: Path) -> None:
    parcel = Courier({}).pack(job)
    changed = replace(parcel, data=dict.fromkeys(parcel.data, b"other"))
    with pytest.raises(InputError, match="arrived damaged"):
        work(changed)
    assert list((tmp_path / "kept").iterdir()) == []


@pytest.mark.parametrize("path", ["/x/../../../etc/a", "../a", "a"])
def test_a_file_is_laid_nowhere_else(job: CopyJob, path: str) -> None:
    parcel = Courier({}).pack(job)
    bad = replace(parcel, files=(Sent(Path(path), digest(b"a")),))
    with pytest.raises(InputError, match="not a path that a worker takes"):
        work(bad)
    named = replace(parcel, files=(Sent(job.scan, "../../a"),))
    with pytest.raises(InputError, match="no SHA-256"):
        work(named)


@pytest.mark.parametrize("name", ["../a", "/a", "a/../../b", "a\\b", ""])
def test_what_comes_back_is_written_nowhere_else(name: str) -> None:
    check_names(["a.png", ".retseg/a.png.json"])
    with pytest.raises(JobError, match="outside the folder"):
        check_names([name])


def test_the_oldest_goes_first_and_what_is_too_large_is_used_all_the_same(tmp_path: Path) -> None:
    store = Store(tmp_path / "kept", 10)
    contents = [b"1" * 4, b"2" * 4, b"3" * 4]
    for k, content in enumerate(contents):
        if k == 2:  # the first is used again
            assert store.place(digest(contents[0]), tmp_path / "again", None)
        assert store.place(digest(content), tmp_path / f"{k}", content)
        os.utime(tmp_path / "kept" / digest(content), (k, k))
    assert {*store.list_kept()} == {digest(contents[0]), digest(contents[2])}
    assert not store.place(digest(contents[1]), tmp_path / "none", None)
    assert (tmp_path / "1").read_bytes() == contents[1]  # whoever works with it still has it
    assert store.place(digest(b"4" * 20), tmp_path / "large", b"4" * 20)
    assert (tmp_path / "large").read_bytes() == b"4" * 20
    assert digest(b"4" * 20) not in store.list_kept()

"""Jobs with their files, for workers that do not see those of the machine that sends them.

The worker lays the files out in a folder of its own, does the job there, and returns the files
that it wrote. Texts name the files as they are called where they come from.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from shutil import rmtree
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, Protocol

from napari_retseg.containment import resolve_within
from napari_retseg.engine.jobs import Job, Lane
from napari_retseg.engine.store import Store, open_store
from napari_retseg.errors import InputError, JobError
from napari_retseg.events import Cancel, Event, Finished, Message
from napari_retseg.failures import explain
from napari_retseg.models.description import FILES
from napari_retseg.regular import read_limited
from napari_retseg.scratch import scratch_folder

#: Under these names a worker says which contents it lacks, and who it is.
LACKING, WORKER = "lacking", "worker"
KEEPS_NOTHING = "the workers do not keep what they are sent; give them a larger --keep"
#: What is larger would fill the memory on its way.
_LARGEST = 2 * 10**9
#: Model bundles that lie ready on a worker.
_BUNDLES = 4

Move = Callable[[Path], Path]


class Portable(Job, Protocol):
    """A job whose files can be sent along. Its paths are absolute."""

    @property
    def bundle(self) -> Path | None:
        """The folder of the model that it computes with."""
        ...

    @property
    def written(self) -> Path | None:
        """The folder that it writes to."""
        ...

    def list_files(self) -> Iterable[Path]:
        """List what it reads, but for the model."""
        ...

    def move(self, to: Move) -> Job:
        """Return it with all paths changed."""
        ...

    def receive(self, files: Mapping[str, bytes], result: Mapping[str, Any]) -> None:
        """Write what came back, by name from the folder that it writes to."""
        ...


@dataclass(frozen=True)
class Sent:
    """A file that a job reads, and the SHA-256 of its content."""

    path: Path
    digest: str


@dataclass(frozen=True)
class Parcel:
    """A job on its way.

    Attributes
    ----------
    data
        By digest, what the worker is not thought to have.
    worker
        The address of one that has the rest; any other may do it, too.
    """

    job: Portable
    files: tuple[Sent, ...]
    model: tuple[Sent, ...]
    data: dict[str, bytes] = field(default_factory=dict)
    worker: str | None = None
    lane: ClassVar[Lane] = "predict"

    @property
    def n_bytes(self) -> int:
        """The size of what travels with it."""
        return sum(map(len, self.data.values()))

    def run(self, cancel: Cancel) -> Generator[Event, None, dict[str, bytes]]:
        """Do the job; yield its events and return the files that it wrote, by name.

        Where something is missing, the only event says what.
        """
        with TemporaryDirectory(dir=scratch_folder()) as name:
            stage = _Stage(Path(name), self)
            lacking = stage.fill(open_store())
            if lacking:
                yield Finished(result={LACKING: lacking, WORKER: _own_address()})
                return {}
            yield from stage.work(cancel)
            return stage.collect()


class _Stage:
    """The files of a parcel on the worker's disk."""

    def __init__(self, root: Path, parcel: Parcel) -> None:
        self._root = root
        self._parcel = parcel
        self._files = (root / "files").resolve()
        self._bundle = parcel.job.bundle
        names = sorted((str(self._inside(one)), one.digest) for one in parcel.model)
        key = hashlib.sha256(repr(names).encode()).hexdigest()
        # it stays there: the process keeps the model that it has loaded from a folder
        self._bundle_place = scratch_folder() / "bundles" / key

    def fill(self, store: Store) -> list[str]:
        """Lay out all files; return the digests of what is not there."""
        lacking = [one.digest for one in self._parcel.files if not self._lay(store, one)]
        if self._parcel.model and not self._bundle_place.is_dir():
            lacking += self._fill_bundle(store)
        return lacking

    def work(self, cancel: Cancel) -> Iterator[Event]:
        """Do the job; its texts name the client's files."""
        if self._parcel.job.written is not None:
            self._place(self._parcel.job.written).mkdir(parents=True, exist_ok=True)
        try:
            for event in self._parcel.job.move(self._place).run(cancel):
                if isinstance(event, Finished):
                    yield replace(event, result=self._rename(event.result))
                elif isinstance(event, Message):
                    yield replace(event, text=self._rename(event.text))
                else:
                    yield event
        except Exception as error:
            raise JobError(self._rename(explain(error))) from error

    def collect(self) -> dict[str, bytes]:
        """Read what the job has written; a text in it names the client's files."""
        written = self._parcel.job.written
        if written is None:
            return {}
        folder = self._place(written)
        given = {self._place(one.path) for one in self._parcel.files}
        files = (path for path in folder.rglob("*") if path.is_file() and path not in given)
        start = str(self._files).encode()
        return {
            path.relative_to(folder).as_posix(): path.read_bytes().replace(start, b"")
            for path in sorted(files)
        }

    def _lay(self, store: Store, one: Sent) -> bool:
        return store.place(one.digest, self._place(one.path), self._parcel.data.get(one.digest))

    def _fill_bundle(self, store: Store) -> list[str]:
        """Lay out the model, which appears when it is whole."""
        data = self._parcel.data
        place = self._root / "bundle"
        lacking = [
            one.digest
            for one in self._parcel.model
            if not store.place(one.digest, place / self._inside(one), data.get(one.digest))
        ]
        if not lacking:
            _put_in_place(place, self._bundle_place)
        return lacking

    def _inside(self, one: Sent) -> Path:
        """The place of one of the model's files in its folder."""
        assert self._bundle is not None
        return _check(one.path).relative_to(self._bundle)

    def _place(self, path: Path) -> Path:
        """Where a file of the client lies here: below our own folder, whatever it is called."""
        if self._bundle is not None and path.is_relative_to(self._bundle):
            return self._bundle_place / path.relative_to(self._bundle)
        inside = Path("files", *_check(path).parts[1:])
        return resolve_within(self._root, inside)

    def _rename(self, value: Any) -> Any:
        """Name the client's files in all texts of a value."""
        return _map_texts(value, self._rename_text)

    def _rename_text(self, text: str) -> str:
        if self._bundle is not None:
            text = text.replace(str(self._bundle_place), str(self._bundle))
        return text.replace(str(self._files), "")


class Courier:
    """Packs jobs for workers: what they are thought to have already does not travel again.

    Parameters
    ----------
    kept
        The digests of what each worker keeps, by its address.
    """

    def __init__(self, kept: Mapping[str, Iterable[str]]) -> None:
        self._kept = {worker: frozenset(digests) for worker, digests in kept.items()}

    def pack(self, job: Portable, lacking: Iterable[str] = (), worker: str | None = None) -> Parcel:
        """Read the files of a job.

        Parameters
        ----------
        lacking, worker
            What a worker has said that it lacks, and its address.

        Raises
        ------
        InputError
            Where a file cannot be read, or is too large to be sent.
        """
        wanted = set(lacking)
        data: dict[str, bytes] = {}
        files = []
        for path in job.list_files():
            content = read_sent(path)
            one = Sent(path, hashlib.sha256(content).hexdigest())
            files.append(one)
            if one.digest in wanted or (worker is None and not self._is_kept(one.digest)):
                data[one.digest] = content
        model = () if job.bundle is None else _list_model(job.bundle)
        # a worker asks for the model that it lacks: once, since it keeps it
        data |= {one.digest: read_sent(one.path) for one in model if one.digest in wanted}
        who = worker or self.find_holder([one.digest for one in files if one.digest not in data])
        return Parcel(job, tuple(files), model, data, who)

    def _is_kept(self, digest: str) -> bool:
        return any(digest in kept for kept in self._kept.values())

    def find_holder(self, digests: list[str]) -> str | None:
        """Find the worker that keeps most of some contents."""
        counts = Counter(w for d in digests for w, kept in self._kept.items() if d in kept)
        return counts.most_common(1)[0][0] if counts else None


def _list_model(bundle: Path) -> tuple[Sent, ...]:
    """The files of a model; they are hashed once while they are the same."""
    stats = [(path, path.stat()) for path in (bundle / name for name in FILES) if path.is_file()]
    return tuple(Sent(p, _hash(p, s.st_mtime_ns, s.st_size, s.st_ino)) for p, s in stats)


@lru_cache(maxsize=64)
def _hash(path: Path, *_stamp: int) -> str:
    return hashlib.sha256(read_sent(path)).hexdigest()


def read_sent(path: Path) -> bytes:
    """Read a file that is to be sent.

    Raises
    ------
    InputError
        Where it cannot be read, or is too large.
    """
    try:
        return read_limited(path, _LARGEST)
    except InputError as error:
        if path.is_file() and path.stat().st_size > _LARGEST:
            raise InputError(
                f"{path}: is larger than {_LARGEST / 1e9:.0f} GB, so it is not sent to the "
                "workers; put it in a folder that all workers share"
            ) from error
        raise


def _check(path: Path) -> Path:
    """Refuse a path that could lead out of the folder below which it is laid."""
    if not path.is_absolute() or ".." in path.parts:
        raise InputError(f"{path}: not a path that a worker takes; nothing was written")
    return path


def check_names(names: Iterable[str]) -> None:
    """Make sure that what a worker sends back is written into our folder and nowhere else.

    Raises
    ------
    JobError
        Where a name leads out of it.
    """
    for name in names:
        if PurePosixPath(name).is_absolute() or {"..", ""} & {*name.split("/")} or "\\" in name:
            raise JobError(f"the worker sent a file for {name!r}, outside the folder; not written")


def _put_in_place(folder: Path, target: Path) -> None:
    """Put a model where it stays; those that were there for longest go."""
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        folder.rename(target)
    except OSError:
        if not target.is_dir():  # else another thread was first
            raise
    _keep_newest(target.parent)


def _keep_newest(folder: Path) -> None:
    found = sorted(folder.iterdir(), key=lambda one: one.stat().st_mtime_ns)
    for old in found[:-_BUNDLES]:
        rmtree(old, ignore_errors=True)


def _map_texts(value: Any, change: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {key: _map_texts(one, change) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_map_texts(one, change) for one in value)
    return value


def _own_address() -> str:
    from distributed import get_worker

    return str(get_worker().address)


def make_absolute(path: Path) -> Path:
    """A path without ``..`` that does not depend on the current folder; it keeps its name."""
    return path.parent.resolve() / path.name if ".." in path.parts else path.absolute()

"""Which scans a batch is made of, and what in their folders is left out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from natsort import natsorted, ns

from napari_retseg.errors import UsageError
from napari_retseg.io import is_scan_path, label_path, read_scan
from napari_retseg.io.devices import is_export, list_volumes
from napari_retseg.io.sources import list_sources
from napari_retseg.io.suffixes import list_bscans, stem_of, suffix_of
from napari_retseg.io.surfaces_beside import find_surfaces
from napari_retseg.plural import count_noun, list_first


@dataclass(frozen=True)
class Place:
    """Where a scan lies.

    Parameters
    ----------
    path
        The file, or a folder that is one volume.
    inside
        The folder of its labels, from the output's: that of the scan within the folder that was
        given.
    """

    path: Path
    inside: Path = Path()


@dataclass
class LeftOut:
    """What is not taken of a folder."""

    folder: Path
    subfolders: list[str] = field(default_factory=list)
    files: list[str] = field(default_factory=list)

    def __bool__(self) -> bool:
        return bool(self.subfolders or self.files)

    def describe(self) -> str:
        """Say it in one line, with the first names."""
        parts = []
        if self.subfolders:
            names = list_first(self.subfolders, 3)
            count = count_noun(len(self.subfolders), "sub-folder")
            parts.append(f"{count} ({names}; add --recursive to include them)")
        if self.files:
            names = list_first(self.files, 3)
            parts.append(f"{count_noun(len(self.files), 'file')} of other types ({names})")
        return f"{self.folder}: skipped {' and '.join(parts)}"

    def to_json(self) -> dict[str, Any]:
        """Return everything as plain values."""
        return {"folder": str(self.folder), "subfolders": self.subfolders, "files": self.files}


@dataclass
class Listing:
    """The scans of a batch, each once, and what was left out of their folders."""

    places: list[Place] = field(default_factory=list)
    left_out: list[LeftOut] = field(default_factory=list)


def list_scans(
    inputs: Sequence[Path],
    *,
    as_volume: bool = False,
    recursive: bool = False,
    output: Path | None = None,
) -> Listing:
    """Put the scans of a folder in its place, in natural order; each scan comes once.

    Hidden files and folders, links to folders and the output's own folder are no part of it.

    Parameters
    ----------
    as_volume
        Each folder with pictures is one volume.
    recursive
        Go into sub-folders.
    output
        The folder of the labels.
    """
    listing = Listing()
    own = None if output is None else _resolve(output)
    for path in inputs:
        if not _is_folder(path) or is_export(path):
            listing.places += [Place(volume) for volume in list_volumes(path)]
            continue
        before = len(listing.places)
        for folder in _walk(path, own) if recursive else [path]:
            inside = folder.relative_to(path)
            _take_folder(listing, folder, inside, as_volume=as_volume, recursive=recursive)
        if len(listing.places) == before:  # reading it says what is wrong with it
            listing.places.append(Place(path))
    listing.places = list({_resolve(one.path): one for one in reversed(listing.places)}.values())
    listing.places.reverse()
    return listing


def _take_folder(
    listing: Listing, folder: Path, inside: Path, *, as_volume: bool, recursive: bool
) -> None:
    """Take the scans that lie in a folder itself."""
    left_out = LeftOut(folder)
    scans: list[Path] = []
    for entry in _list_entries(folder):
        if _is_folder(entry):
            if entry.is_symlink():
                left_out.subfolders.append(entry.name)
            elif is_export(entry):  # an export of a device is one scan
                scans += list_volumes(entry)
            elif not recursive:
                left_out.subfolders.append(entry.name)
        elif entry.is_file() and is_scan_path(entry):
            scans += list_volumes(entry)
        else:
            left_out.files.append(entry.name)
    pictures = set(list_bscans(folder)) if as_volume and scans else set()
    if pictures:
        # a volume's labels lie beside its folder, as those of a file do
        listing.places.append(Place(folder, inside.parent))
        scans = [path for path in scans if path not in pictures]
    if as_volume and not recursive:
        left_out.files += [path.name for path in scans]
    else:
        listing.places += [Place(path, inside) for path in scans]
    read_too = _list_companions(scans) if left_out.files else set()
    left_out.files = [name for name in left_out.files if folder / name not in read_too]
    if left_out:
        listing.left_out.append(left_out)


def _list_companions(scans: Sequence[Path]) -> set[Path | None]:
    """The files that are read with the scans beside which they lie."""
    files = {find_surfaces(path) for path in scans}
    return files.union(*(list_sources(path) or () for path in scans if suffix_of(path) == ".oct"))


def _list_entries(folder: Path) -> list[Path]:
    """List what is not hidden, in natural order; nothing where it may not be listed."""
    try:
        entries = [entry for entry in folder.iterdir() if not entry.name.startswith(".")]
    except OSError:
        return []
    return natsorted(entries, key=lambda entry: entry.name, alg=ns.IGNORECASE)


def _walk(folder: Path, own: Path | None) -> Iterator[Path]:
    yield folder
    for entry in _list_entries(folder):
        is_own = not _is_folder(entry) or entry.is_symlink() or _resolve(entry) == own
        if not is_own and not is_export(entry):
            yield from _walk(entry, own)


def _is_folder(path: Path) -> bool:
    try:
        return path.is_dir()
    except OSError:
        return False


def _resolve(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError):  # links in a circle
        return path.absolute()


def check_targets(places: Sequence[Place], output: Path) -> None:
    """Refuse scans whose labels would fall on each other, or on a scan.

    Raises
    ------
    UsageError
        Naming both.
    """
    by_stem: dict[tuple[Path, str], list[Path]] = defaultdict(list)
    for one in places:
        by_stem[one.inside, stem_of(one.path)].append(one.path)
    sources = {_resolve(one.path) for one in places}
    taken: dict[Path, Path] = {}
    for one in places:
        folder = output / one.inside
        is_single = len(by_stem[one.inside, stem_of(one.path)]) == 1
        if is_single and _resolve(one.path).parent != _resolve(folder):
            continue
        target = _find_target(one.path, folder)
        if target is None:
            continue
        if _resolve(target) in sources:
            raise UsageError(
                f"{one.path}: its labels would overwrite {target}; choose another --output"
            )
        if target in taken:
            raise UsageError(
                f"{one.path}: its labels would overwrite those of {taken[target]}, both are "
                f"named {target.name}; label them in two runs with different --output"
            )
        taken[target] = one.path


def _find_target(path: Path, folder: Path) -> Path | None:
    """Where the labels go; None for a scan that cannot be read, which is named when it is its turn.

    Its name does not tell, since a TIFF holds one B-scan or many.
    """
    try:
        return label_path(read_scan(path), folder)
    except Exception:  # noqa: BLE001 - told when it is its turn
        return None

"""Files that hold several volumes: the user chooses one, and nothing is chosen silently."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from napari_retseg.errors import InputError
from napari_retseg.plural import count_noun
from napari_retseg.volume_path import name_volume


class SeveralVolumesError(InputError):
    """A file holds several volumes, and none was named.

    Parameters
    ----------
    path
        The file.
    volumes
        One line about each: number of B-scans, eye, pattern.
    """

    def __init__(self, path: Path, volumes: Sequence[str]) -> None:
        self.path = path
        self.volumes = tuple(volumes)
        super().__init__(
            f"{path}: contains {count_noun(len(volumes), 'volume')}; name one, for example "
            f"{name_volume(Path(path.name), 0)} (napari-retseg info lists them)"
        )

    def __reduce__(self) -> tuple[type[SeveralVolumesError], tuple[Path, tuple[str, ...]]]:
        return SeveralVolumesError, (self.path, self.volumes)


def choose_volume(path: Path, volumes: Sequence[str], wanted: int | None) -> int:
    """Return the number of the volume to read.

    Parameters
    ----------
    path
        The file.
    volumes
        One line about each volume in it; at least one.
    wanted
        The number that the user named.

    Raises
    ------
    SeveralVolumesError
        Where there are several and none was named.
    InputError
        Where the named one is not there.
    """
    if wanted is None:
        if len(volumes) > 1:
            raise SeveralVolumesError(path, volumes)
        return 0
    if wanted >= len(volumes):
        raise InputError(
            f"{path}: contains {count_noun(len(volumes), 'volume')}, counted from 0; there is no "
            f"volume {wanted}"
        )
    return wanted


def describe_volume(
    eye: str | None, n_bscans: int, shape: Sequence[int] | None, pattern: str
) -> str:
    """One line about a volume: ``right eye, 49 B-scans of 496 x 512, volume``."""
    parts = [{"OD": "right eye", "OS": "left eye"}.get(eye or "", "unknown eye")]
    size = "" if shape is None else f" of {shape[0]} x {shape[1]}"
    parts.append(count_noun(n_bscans, "B-scan") + size)
    return ", ".join(parts if pattern == "unknown" else [*parts, pattern])

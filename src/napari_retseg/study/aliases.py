"""Keys of patients and scans in a pack, in place of their names.

A group is often named after a file, and so after a person. A key is made of the content of the
scans: a computer that has the same scans makes the same keys, and finds its own names again.
Without the scans nobody can try out names.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from napari_retseg.errors import InputError
from napari_retseg.io.sources import hash_source
from napari_retseg.study.run_plan import RunSpec

_DIGITS = 12
_Scan = tuple[str, str]


class Aliases:
    """Makes the keys of the patients and scans of runs; each scan is read once.

    Where a scan cannot be read any more, the patients and scans of its runs are numbered.
    """

    def __init__(self) -> None:
        self._hashes: dict[Path, str] = {}

    def hide(self, spec: RunSpec, values: Mapping[str, Any]) -> dict[str, Any]:
        """Put keys in the place of names, in scores and events of a run."""
        groups, scans = self._make_keys(spec)
        pairs = {scan: (groups[scan[0]], key) for scan, key in scans.items()}
        return _rename(values, groups.get, pairs.get)

    def show(self, spec: RunSpec, values: Mapping[str, Any]) -> dict[str, Any]:
        """Put the names of this computer in the place of keys; other names stay as they are."""
        groups, scans = self._make_keys(spec)
        pairs = {(groups[scan[0]], key): scan for scan, key in scans.items()}
        return _rename(values, {key: name for name, key in groups.items()}.get, pairs.get)

    def _make_keys(self, spec: RunSpec) -> tuple[dict[str, str], dict[_Scan, str]]:
        """Return the key of each group, and of each scan by its group and name."""
        cases = sorted(spec.data.cases, key=lambda case: (case.group, case.name))
        try:
            contents = [self._hash(case.image) for case in cases]
        except (InputError, OSError):
            contents = []
        own: dict[str, list[str]] = defaultdict(list)
        scans: dict[_Scan, str] = {}
        for number, case in enumerate(cases):
            content = contents[number] if contents else ""
            # a copy of the same patient is another scan
            content = f"{content}{own[case.group].count(content) or ''}"
            own[case.group].append(content)
            scans[case.group, case.name] = _key("scan", content) if contents else f"scan {number}"
        groups = {
            name: _key("patient", *sorted(parts)) if contents else f"patient {number}"
            for number, (name, parts) in enumerate(own.items())
        }
        return groups, scans

    def _hash(self, path: Path) -> str:
        if path not in self._hashes:
            self._hashes[path] = hash_source(path)
        return self._hashes[path]


def _key(kind: str, *contents: str) -> str:
    return f"{kind} {hashlib.sha256(' '.join((kind, *contents)).encode()).hexdigest()[:_DIGITS]}"


def _rename(
    values: Mapping[str, Any],
    find_group: Callable[[str], str | None],
    find_scan: Callable[[_Scan], _Scan | None],
) -> dict[str, Any]:
    """Rename groups in lists of them, and groups and scans in the scores of B-scans."""
    renamed = dict(values)
    for field in ("training_groups", "heldout_groups"):
        if field in renamed:
            renamed[field] = [find_group(name) or name for name in renamed[field]]
    if "bscans" in renamed:
        renamed["bscans"] = [_rename_bscan(bscan, find_scan) for bscan in renamed["bscans"] or ()]
    return renamed


def _rename_bscan(
    bscan: Mapping[str, Any], find_scan: Callable[[_Scan], _Scan | None]
) -> dict[str, Any]:
    name, colon, number = bscan["name"].rpartition(":")
    found = find_scan((bscan["group"], bscan["name"]))
    if found is not None:
        return {**bscan, "group": found[0], "name": found[1]}
    found = find_scan((bscan["group"], name))
    if found is not None:
        return {**bscan, "group": found[0], "name": f"{found[1]}{colon}{number}"}
    return dict(bscan)

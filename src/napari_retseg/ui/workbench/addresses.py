"""Schedulers that this user has chosen: a workspace alone cannot send scans anywhere."""

from __future__ import annotations

import json
import re

from napari_retseg.dataset.registry import state_folder
from napari_retseg.io.atomic import write_json

_FILE = "schedulers.json"
_KEPT = 50
_ADDRESS = re.compile(r"(tcp|tls)://[^\s/:]+:\d+")


def is_address(text: str) -> bool:
    """Whether a text looks like the address of a dask scheduler."""
    return bool(_ADDRESS.fullmatch(text))


def list_addresses() -> list[str]:
    """Return the addresses that the user has chosen, the last one first."""
    try:
        content = json.loads((state_folder() / _FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return []
    known = content.get("schedulers") if isinstance(content, dict) else None
    return [a for a in known if isinstance(a, str)] if isinstance(known, list) else []


def remember_address(address: str) -> None:
    """Note that the user has chosen an address.

    Raises
    ------
    InputError
        Where the list cannot be written.
    """
    known = [address, *(one for one in list_addresses() if one != address)]
    write_json(state_folder() / _FILE, {"schema_version": 1, "schedulers": known[:_KEPT]})

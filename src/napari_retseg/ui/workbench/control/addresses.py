"""Schedulers that this user has chosen: a workspace alone cannot send scans anywhere."""

from __future__ import annotations

import re
from typing import Any

from pydantic import BaseModel, Field

from napari_retseg.dataset.registry import state_folder, writing_state
from napari_retseg.errors import InputError
from napari_retseg.io.atomic import write_json
from napari_retseg.records import read_record

_FILE = "schedulers.json"
_KEPT = 50
_ADDRESS = re.compile(r"(tcp|tls)://[^\s/:]+:\d+")


def is_address(text: str) -> bool:
    """Whether a text looks like the address of a dask scheduler."""
    return bool(_ADDRESS.fullmatch(text))


class _Addresses(BaseModel):
    schedulers: list[Any] = Field(default_factory=list)


def list_addresses() -> list[str]:
    """Return the addresses that the user has chosen, the last one first; what is none is left out.

    A list that cannot be read counts as empty: nothing is sent anywhere then.
    """
    try:
        known = read_record(state_folder() / _FILE, _Addresses).schedulers
    except InputError:
        return []
    return [one for one in known if isinstance(one, str) and is_address(one)]


def remember_address(address: str) -> None:
    """Note that the user has chosen an address.

    Raises
    ------
    InputError
        Where the list cannot be written.
    """
    with writing_state():
        known = [address, *(one for one in list_addresses() if one != address)]
        write_json(state_folder() / _FILE, {"schema_version": 1, "schedulers": known[:_KEPT]})

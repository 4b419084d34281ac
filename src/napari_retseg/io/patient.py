"""Patients as keys: a salted hash, so that no name, number or birth date leaves the file."""

from __future__ import annotations

import hashlib
import os
import secrets
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import platformdirs

from napari_retseg.errors import InputError, explaining
from napari_retseg.regular import read_limited

_SALT_BYTES = 32
_LARGEST = 4096


def make_patient_key(identity: str) -> str:
    """Turn what identifies a patient into a key of 16 hexadecimal digits.

    The same patient gets the same key on one installation. The salt is made once, at random,
    and never leaves it: without it, patient numbers could be found by trying them all. Machines
    that need the same keys share the file that `NAPARI_RETSEG_SALT` names.

    Parameters
    ----------
    identity
        The patient's number, as stored in the file.

    Raises
    ------
    InputError
        Where there is no place to keep the salt.
    """
    return make_patient_keys([identity])[0]


def make_patient_keys(identities: Iterable[str]) -> tuple[str, ...]:
    """Make the keys of several patients, in their order; see :func:`make_patient_key`.

    Raises
    ------
    InputError
        Where there is no place to keep the salt.
    """
    salt = _read_salt()
    return tuple(
        hashlib.blake2b(one.encode(errors="surrogateescape"), key=salt, digest_size=8).hexdigest()
        for one in identities
    )


def _read_salt() -> bytes:
    moved = os.environ.get("NAPARI_RETSEG_SALT")
    own = platformdirs.user_data_path("napari-retseg") / "patient-salt"
    file = Path(moved) if moved else own
    advice = "set NAPARI_RETSEG_SALT to a writable file"
    with explaining(file, "cannot save the salt of patient keys", advice=advice):
        if not file.exists():
            _make_salt(file)
        salt = read_limited(file, _LARGEST)
    if len(salt) < _SALT_BYTES:
        raise InputError(f"{file}: not a salt of patient keys; delete it to create a new one")
    return salt[:64]


def _make_salt(file: Path) -> None:
    """Make the salt; of several processes at once the first wins, and all then read its salt."""
    file.parent.mkdir(parents=True, exist_ok=True)
    number, name = tempfile.mkstemp(dir=file.parent)
    try:
        with os.fdopen(number, "wb") as stream:
            stream.write(secrets.token_bytes(_SALT_BYTES))
        with suppress(FileExistsError):
            file.hardlink_to(name)
    finally:
        Path(name).unlink()

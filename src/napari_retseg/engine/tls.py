"""Keys of schedulers: whoever lacks them cannot talk to one.

A dask scheduler runs the code that it is sent. On a machine with several users each of them could
reach the port of an engine's own scheduler on 127.0.0.1; with TLS in both directions and keys that
only this user may read, no one else can. They live as long as the engine. Those of a cluster lie
in a folder that its machines have copies of.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from napari_retseg.errors import InputError, explaining

#: Names the folder with the keys of a cluster.
VARIABLE = "NAPARI_RETSEG_KEYS"

_ROLES = ("scheduler", "worker", "client")
_NAMES = ("ca_file", "cert", "key")
_PREFIX = "DASK_DISTRIBUTED__COMM__"


class Keys:
    """A new certificate, its own authority, and its key.

    Parameters
    ----------
    folder
        Where the files for worker processes go; only this user may enter it.

    Attributes
    ----------
    security
        dask's description of them, for a scheduler and a client in this process.
    """

    def __init__(self, folder: Path) -> None:
        from distributed.security import Security

        self.security: Any = Security.temporary()
        parts = self.security.get_tls_config_for_role("worker")
        self._files = _list_files(folder)
        for name, path in self._files.items():
            _write_secret(path, parts[name])

    def list_settings(self) -> dict[str, str]:
        """Environment variables by which a worker process finds its keys."""
        settings = {
            f"{_PREFIX}REQUIRE_ENCRYPTION": "True",
            f"{_PREFIX}TLS__CA_FILE": str(self._files["ca_file"]),
        }
        for role in _ROLES:
            settings[f"{_PREFIX}TLS__{role.upper()}__CERT"] = str(self._files["cert"])
            settings[f"{_PREFIX}TLS__{role.upper()}__KEY"] = str(self._files["key"])
        return settings


def make_keys(folder: Path) -> None:
    """Make the keys of a cluster in a new folder, which only this user may enter.

    Raises
    ------
    InputError
        Where the folder is not empty, or the system refuses.
    """
    with explaining(folder, "the keys cannot be saved there", advice="choose another folder"):
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if any(folder.iterdir()):
            raise InputError(f"{folder}: this folder is not empty; choose a new one for the keys")
        Keys(folder)


def open_keys(folder: Path | None) -> Any:
    """Open the keys of a cluster: dask's description of them, for all its roles.

    Parameters
    ----------
    folder
        None: the one that the variable :data:`VARIABLE` names.

    Returns
    -------
    distributed.security.Security or None
        None where no folder is named: dask's own configuration counts.

    Raises
    ------
    InputError
        Where a file is missing.
    """
    named = os.environ.get(VARIABLE)
    if folder is None and not named:
        return None
    files = _list_files(folder or Path(str(named)))
    missing = next((path for path in files.values() if not path.is_file()), None)
    if missing is not None:
        raise InputError(
            f"{missing}: not found; name a folder of 'napari-retseg cluster keys' (--keys, or "
            f"{VARIABLE})"
        )
    from distributed.security import Security

    own = {f"tls_{role}_{name}": str(files[name]) for role in _ROLES for name in ("cert", "key")}
    return Security(require_encryption=True, tls_ca_file=str(files["ca_file"]), **own)


def _list_files(folder: Path) -> dict[str, Path]:
    return {name: folder / f"{name}.pem" for name in _NAMES}


def _write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(text)

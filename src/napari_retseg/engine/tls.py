"""Keys of an engine's own scheduler: whoever lacks them cannot talk to it.

A dask scheduler runs the code that it is sent. On a machine with several users each of them could
reach its port on 127.0.0.1; with TLS in both directions and keys that only this user may read,
no one else can. They live as long as the engine.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

_ROLES = ("scheduler", "worker", "client")
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
        self._files = {name: folder / f"{name}.pem" for name in ("ca_file", "cert", "key")}
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


def _write_secret(path: Path, text: str) -> None:
    """Write a file that only its owner may read."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as stream:
        stream.write(text)

"""Finds out whether a dask scheduler answers at an address, within a stated time."""

from __future__ import annotations

import socket
import ssl
import time
from typing import Any
from urllib.parse import urlsplit

from napari_retseg.engine.tls import VARIABLE, open_keys
from napari_retseg.errors import JobError

#: How long an address may take to say that it is a scheduler.
ANSWER_SECONDS = 5.0

#: A dask server speaks first, and names this in its greeting.
_GREETING = b"pickle-protocol"
_LONGEST_GREETING = 65_536


def complete_address(address: str) -> str:
    """Put ``tcp://`` before an address that names no protocol, as dask does."""
    return address if "://" in address else f"tcp://{address}"


def explain_silence(address: str) -> str:
    """Say that no scheduler answers there, and what to do."""
    return (
        f"{address}: no answer from a dask scheduler; check the address, and that 'dask "
        "scheduler' is running"
    )


def knock(address: str, security: Any = None) -> None:
    """Make sure that what listens there greets as a dask server does.

    dask's own client would wait for ever for the greeting of a web server or of a port that says
    nothing. Addresses of other kinds than ``tcp`` and ``tls`` are left to dask.

    Raises
    ------
    JobError
        Where nothing listens, where something else answers, or nothing within
        :data:`ANSWER_SECONDS`.
    """
    try:
        place = urlsplit(address)
        host, port = place.hostname, place.port
    except ValueError as error:
        raise JobError(explain_silence(address)) from error
    if place.scheme not in ("tcp", "tls"):
        return
    if host is None or port is None:
        raise JobError(f"{address}: not the address of a scheduler; write tcp://HOST:PORT")
    context = _make_context(address, security) if place.scheme == "tls" else None
    try:
        is_scheduler = _hears_greeting(host, port, context)
    except OSError as error:
        raise JobError(explain_silence(address)) from error
    if not is_scheduler:
        raise JobError(
            f"{address}: the program that answers is not a dask scheduler; check host and port"
        )


def find_keys(address: str) -> Any:
    """Find this user's keys for an address: None where it needs none, or dask's own count."""
    return open_keys(None) if address.startswith("tls://") else None


def _make_context(address: str, security: Any) -> ssl.SSLContext:
    from distributed.security import Security

    security = security or find_keys(address) or Security()
    context = security.get_connection_args("client").get("ssl_context")
    if not isinstance(context, ssl.SSLContext):
        raise JobError(
            f"{address}: no TLS keys here; set {VARIABLE} to the folder of the scheduler's keys"
        )
    return context


def _hears_greeting(host: str, port: int, context: ssl.SSLContext | None) -> bool:
    deadline = time.monotonic() + ANSWER_SECONDS
    with socket.create_connection((host, port), timeout=ANSWER_SECONDS) as plain:
        stream = plain if context is None else context.wrap_socket(plain, server_hostname=host)
        heard = b""
        with stream:
            while _GREETING not in heard and len(heard) < _LONGEST_GREETING:
                left = deadline - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                stream.settimeout(left)
                block = stream.recv(4096)
                if not block:
                    break
                heard += block
    return _GREETING in heard

"""An engine's own scheduler takes code from nobody but its owner."""

from __future__ import annotations

import socket
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import pytest
from distributed import Client
from distributed.security import Security

from napari_retseg.engine.tls import Keys
from napari_retseg.engine.workers import LocalWorkers


@pytest.fixture(scope="module")
def workers() -> Iterator[LocalWorkers]:
    """A scheduler with its worker."""
    found = LocalWorkers()
    found.provide("predict")
    found.client.wait_for_workers(1, timeout=60)
    yield found
    found.close()


def strangers() -> list[dict[str, Any]]:
    """What another user of the machine could come with: nothing, or keys of their own."""
    return [{"protocol": "tcp"}, {"protocol": "tls", "security": Security.temporary()}]


@pytest.mark.parametrize("stranger", strangers(), ids=["without keys", "with other keys"])
def test_a_stranger_cannot_reach_scheduler_or_worker(
    workers: LocalWorkers, stranger: dict[str, Any]
) -> None:
    scheduler = workers.client.scheduler.address
    (worker,) = workers.client.scheduler_info()["workers"]
    for address in (scheduler, worker):
        assert address.startswith("tls://127.0.0.1:")
        other = address.replace("tls", stranger["protocol"])
        with pytest.raises(OSError, match=r"\S"):
            Client(other, security=stranger.get("security"), timeout=1, set_as_default=False)
    assert workers.client.submit(sum, (1, 2)).result(timeout=30) == 3


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_only_the_owner_may_read_the_keys(tmp_path: Path) -> None:
    settings = Keys(tmp_path).list_settings()
    files = {Path(value) for value in settings.values() if value.endswith(".pem")}
    assert len(files) == 3
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    assert "PRIVATE KEY" not in str(settings)


def test_nothing_listens_but_scheduler_and_worker(workers: LocalWorkers) -> None:
    """No web server, whatever the port; the two that listen want keys."""
    scheduler = workers.client.scheduler.address
    told = workers.client.scheduler_info()
    assert told["services"] == {}
    (worker,) = told["workers"].values()
    assert worker["services"] == {}
    expected = {int(address.rpartition(":")[2]) for address in (scheduler, *told["workers"])}
    own = psutil.Process()
    children = own.children(recursive=True)
    listening = {
        connection.laddr.port
        for process in (own, *children)
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert expected <= listening
    for port in listening:
        with socket.create_connection(("127.0.0.1", port), timeout=5) as stream:
            stream.sendall(b"GET /info/main/workers.html HTTP/1.0\r\n\r\n")
            stream.settimeout(5)
            with suppress(OSError):
                assert b"HTTP" not in stream.recv(1000)
    assert listening == expected

"""An address where something else than a scheduler answers: one line, in time, and a way out."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from napari_retseg.engine import Engine, reach
from napari_retseg.engine.reach import complete_address, knock
from napari_retseg.errors import JobError
from napari_retseg.events import CancelToken, Finished
from tests.fakes import CountJob
from tests.listening import TIMEOUT, Listener, run
from tests.remote import Remote


def say_nothing(stream: socket.socket) -> None:
    """Take what comes, as a port that is forwarded to nowhere."""
    while stream.recv(1000):
        pass


def answer_as_web_server(stream: socket.socket) -> None:
    """Wait for a request."""
    while b"\n" in stream.recv(1000):
        stream.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")


def greet_as_ssh(stream: socket.socket) -> None:
    """Speak first, but another language."""
    stream.sendall(b"SSH-2.0-OpenSSH_9.6\r\n")
    say_nothing(stream)


def hang_up(stream: socket.socket) -> None:
    """End at once."""
    stream.close()


def babble(stream: socket.socket) -> None:
    """Send without an end."""
    while True:
        stream.sendall(b"\xff" * 10_000)


def drip(stream: socket.socket) -> None:
    """Send a byte now and then, each within the limit of a single wait."""
    while True:
        stream.sendall(b"\0")
        time.sleep(0.05)


IMPOSTORS = [say_nothing, answer_as_web_server, greet_as_ssh, hang_up, babble, drip]


@pytest.fixture
def open_port() -> Iterator[Callable[[Callable[[socket.socket], None]], str]]:
    """Opens a port whose connections are served by a function; gives its address."""
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        door.listen()

        def serve(what: Callable[[socket.socket], None]) -> str:
            def take() -> None:
                with suppress(OSError):
                    while True:
                        stream, _ = door.accept()
                        threading.Thread(target=talk, args=(stream,), daemon=True).start()

            def talk(stream: socket.socket) -> None:
                with suppress(OSError), stream:
                    what(stream)

            threading.Thread(target=take, daemon=True).start()
            return f"tcp://127.0.0.1:{door.getsockname()[1]}"

        yield serve


@pytest.mark.parametrize("impostor", IMPOSTORS)
def test_whatever_else_answers_is_one_line_in_time(
    open_port: Callable[..., str],
    impostor: Callable[[socket.socket], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reach, "ANSWER_SECONDS", 1.0)
    address = open_port(impostor)
    began = time.monotonic()
    with Engine(address) as engine:
        outcome, _ = run(engine, CountJob(1))
    assert time.monotonic() - began < 5
    assert outcome.status == "failed"
    assert outcome.error is not None
    assert outcome.error.startswith(f"{address}: ")
    assert re.search("(no answer from|is not) a dask scheduler", outcome.error)
    assert "\n" not in outcome.error


@pytest.mark.parametrize(
    "address",
    ["tcp://127.0.0.1", "tcp://:8786", "tcp://127.0.0.1:99999", "tcp://[::1", "tls://a:1"],
)
def test_an_address_that_is_none_is_one_line(address: str) -> None:
    with pytest.raises(JobError) as failure:
        knock(address)
    assert str(failure.value).startswith(address)


def test_an_address_without_its_protocol_is_tcp() -> None:
    assert complete_address("127.0.0.1:8786") == "tcp://127.0.0.1:8786"
    assert complete_address("tls://there:1") == "tls://there:1"


def test_a_job_that_waits_for_the_scheduler_can_be_stopped(open_port: Callable[..., str]) -> None:
    listener, token = Listener(), CancelToken()
    with Engine(open_port(say_nothing)) as engine:
        handle = listener.submit(engine, CountJob(1))
        time.sleep(0.2)
        began = time.monotonic()
        handle.cancel()
        assert handle.wait(TIMEOUT).status == "cancelled"
        token.cancel()
        assert list(engine.run(CountJob(1), cancel=token)) == [Finished(cancelled=True)]
        engine.close()
        assert time.monotonic() - began < 2


def begin_command(address: str, tmp_path: Path) -> subprocess.Popen[str]:
    """Start ``evaluate`` there, and wait until it connects."""
    # the model is looked up by the worker, so that the command itself loads nothing
    command = [sys.executable, "-m", "napari_retseg", "evaluate", str(tmp_path), "--model", "x"]
    process = subprocess.Popen(
        [*command, "--scheduler", address],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    own = psutil.Process(process.pid)
    port = int(address.rpartition(":")[2])
    deadline = time.monotonic() + TIMEOUT
    while not any(c.raddr and c.raddr.port == port for c in own.net_connections("tcp")):
        assert time.monotonic() < deadline
        assert process.poll() is None
        time.sleep(0.02)
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_a_command_that_connects(
    open_port: Callable[..., str], tmp_path: Path, number: signal.Signals
) -> None:
    process = begin_command(open_port(say_nothing), tmp_path)
    began = time.monotonic()
    process.send_signal(number)
    process.communicate(timeout=TIMEOUT)
    assert time.monotonic() - began < 2
    assert process.returncode == 130


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="signals are POSIX's")
def test_the_second_signal_ends_a_command_whose_scheduler_answers_no_more(tmp_path: Path) -> None:
    remote = Remote(tmp_path)
    stopped = psutil.Process(remote.pid)
    try:
        process = begin_command(remote.address, tmp_path)
        time.sleep(1)
        stopped.suspend()
        process.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=TIMEOUT)
        assert time.monotonic() - began < 10
        assert process.returncode == 130
    finally:
        stopped.resume()
        remote.close()

"""`cluster` and `worker`: keys, a scheduler and its workers, each by its command."""

from __future__ import annotations

import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run, only_error, save_bscan, visible

EXACT = ("--device", "cpu", "--precision", "fp32")


def start(*words: str | Path, keys: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "napari_retseg", *map(str, words)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        bufsize=1,
        env={**os.environ, "NAPARI_RETSEG_KEYS": str(keys)},
    )


def read_until(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    assert process.stdout is not None
    told = ""
    while process.poll() is None:
        told += process.stdout.readline()
        if found := re.search(pattern, told):
            return found
    raise AssertionError(told)


@pytest.fixture
def keys(run: Run, tmp_path: Path) -> Path:
    result = run("cluster", "keys", tmp_path / "keys")
    assert result.exit_code == 0, result.output
    return tmp_path / "keys"


@pytest.fixture
def address(keys: Path) -> Iterator[str]:
    """A scheduler that listens with keys."""
    with start("cluster", "scheduler", "--port", "0", keys=keys) as process:
        yield read_until(process, r"worker (tls://127\.0\.0\.1:\d+)")[1]
        process.send_signal(signal.SIGTERM)
        told, _ = process.communicate(timeout=30)
    assert (process.returncode, told) == (0, "")


@pytest.mark.slow  # the processes are what it is about
def test_workers_with_keys_do_what_they_are_given_and_end_when_asked(
    run: Run,
    keys: Path,
    address: str,
    tiny_bundle: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scan = save_bscan(tmp_path / "scans" / "a.png", seed=1)
    given = ("predict", scan, "--model", tiny_bundle, "--scheduler", address, *EXACT)
    result = run(*given, "--output", tmp_path / "without")
    assert result.exit_code == 1
    assert "no TLS keys here; set NAPARI_RETSEG_KEYS" in only_error(result)
    with start("worker", address, keys=keys) as worker:
        assert read_until(worker, r"1 worker for tls://\S+, with (\d+) thread")[1] != "0"
        monkeypatch.setenv("NAPARI_RETSEG_KEYS", str(keys))
        result = run(*given, "--output", tmp_path / "with")
        worker.send_signal(signal.SIGINT)
        told, _ = worker.communicate(timeout=30)
    assert result.exit_code == 0, result.output
    assert visible(tmp_path / "with") == ["a.png"]
    assert (worker.returncode, told) == (0, "")  # and nothing of dask's log


def test_keys_are_for_this_user_alone_and_never_replaced(run: Run, keys: Path) -> None:
    files = sorted(keys.iterdir())
    assert [path.name for path in files] == ["ca_file.pem", "cert.pem", "key.pem"]
    assert all(stat.S_IMODE(path.stat().st_mode) == 0o600 for path in files)
    before = [path.read_bytes() for path in files]
    result = run("cluster", "keys", keys)
    assert result.exit_code == 1
    assert "not empty" in only_error(result)
    assert [path.read_bytes() for path in files] == before


def test_what_makes_no_sense_is_one_line(run: Run, keys: Path, tmp_path: Path) -> None:
    result = run("cluster", "scheduler", "--host", "0.0.0.0")
    assert result.exit_code == 2
    assert "give --keys FOLDER" in only_error(result)
    (keys / "cert.pem").unlink()
    for command in (["cluster", "scheduler"], ["worker", "tls://127.0.0.1:9"]):
        result = run(*command, "--keys", keys)
        assert result.exit_code == 1
        assert "cert.pem: not found; name a folder of" in only_error(result)
    result = run("worker", "http://127.0.0.1:9")
    assert result.exit_code == 2
    assert "not the address of a scheduler; write tls://" in only_error(result)
    result = run("worker", "127.0.0.1:9", "--keys", keys)
    assert result.exit_code == 2
    assert "--keys are for a scheduler at tls://" in only_error(result)
    result = run("worker", "127.0.0.1:9")
    assert result.exit_code == 1
    assert "no answer from a dask scheduler" in only_error(result)


def test_an_address_of_another_machine_is_one_line() -> None:
    # in a process of its own: tornado does not close the socket
    words = ("cluster", "scheduler", "--host", "192.0.2.1", "--without-keys")
    command = [sys.executable, "-m", "napari_retseg", *words]
    found = subprocess.run(command, capture_output=True, text=True, check=False)
    assert found.returncode == 1
    told = r"error: tcp://192\.0\.2\.1:8786: cannot listen there \(.*address.*\); choose .*\n"
    assert re.fullmatch(told, found.stderr), found.stderr

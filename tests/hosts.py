"""Several hosts on one machine: network namespaces on one switch, and no folder in common."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_LAY = 'mount --bind "$1/$2" "$3" && mount -t tmpfs none "$1" && shift 3 && cd / && exec "$@"'


def ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True)


class Network:
    """Hosts by name, each with its own address, network and folder.

    In its own processes each host's folder lies at `place`, where those of the others are not.
    """

    def __init__(self, folder: Path, names: tuple[str, ...]) -> None:
        if sys.platform != "linux" or os.geteuid() != 0:
            pytest.skip("network namespaces need Linux and root")
        if not all(map(shutil.which, ("ip", "unshare", "mount"))):
            pytest.skip("network namespaces need the programs ip, unshare and mount")
        self._prefix = f"rs{os.getpid()}"
        self._made: list[str] = []
        self.processes: list[subprocess.Popen[str]] = []
        self.folder, self.place = folder / "hosts", folder / "place"
        self.place.mkdir()
        self.addresses = {name: f"10.77.0.{k}" for k, name in enumerate(names, start=1)}
        try:
            switch = self._add("switch")
            ip("-n", switch, "link", "add", "name", "br0", "type", "bridge")
        except subprocess.CalledProcessError as error:  # as in some containers
            self.close()
            pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
        try:
            self._connect(switch)
        except BaseException:
            self.close()
            raise

    def _connect(self, switch: str) -> None:
        ip("-n", switch, "link", "set", "dev", "br0", "up")
        for name, address in self.addresses.items():
            (self.folder / name).mkdir(parents=True)
            host = self._add(name)
            ends = ("type", "veth", "peer", "name", name, "netns", switch)
            ip("link", "add", "name", "net0", "netns", host, *ends)
            ip("-n", switch, "link", "set", "dev", name, "master", "br0", "up")
            ip("-n", host, "addr", "add", f"{address}/24", "dev", "net0")
            for device in ("lo", "net0"):
                ip("-n", host, "link", "set", "dev", device, "up")

    def _add(self, name: str) -> str:
        full = f"{self._prefix}-{name}"
        ip("netns", "add", full)
        self._made.append(full)
        return full

    def set_link(self, name: str, state: str) -> None:
        """Take a host from the network, or give it back: ``down`` or ``up``."""
        ip("-n", f"{self._prefix}-switch", "link", "set", "dev", name, state)

    def start(self, name: str, *words: str | Path) -> subprocess.Popen[str]:
        """Run a command of ours on a host."""
        place = self.place
        (self.folder / name / "tmp").mkdir(exist_ok=True)
        command = ["ip", "netns", "exec", f"{self._prefix}-{name}", "unshare", "-m", "sh", "-c"]
        command += [_LAY, "sh", str(self.folder), name, str(place)]
        command += [sys.executable, "-m", "napari_retseg", *map(str, words)]
        settings = {
            "PYTHONPATH": str(ROOT / "src"),
            "TMPDIR": str(place / "tmp"),
            "NAPARI_RETSEG_KEYS": str(place / "keys"),
            "NAPARI_RETSEG_MODELS": str(place / "models"),
            # how long a host may be gone: 30 s otherwise, and dask takes 11 s and more
            "DASK_DISTRIBUTED__COMM__TIMEOUTS__TCP": "12s",
        }
        process = subprocess.Popen(
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, **settings},
        )
        self.processes.append(process)
        return process

    def wait_for(self, path: Path, process: subprocess.Popen[str], timeout: float = 90.0) -> None:
        """Wait for a file, which a process is about to write."""
        deadline = time.monotonic() + timeout
        while not path.exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < deadline, path
            time.sleep(0.05)

    def close(self) -> None:
        """End all processes, and take the network away."""
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            try:
                process.communicate(timeout=15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
        for name in self._made:
            subprocess.run(["ip", "netns", "del", name], check=False, capture_output=True)

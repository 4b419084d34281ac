"""What killing workers, the scheduler or the client costs a batch: nothing, after ``--resume``.

Run ``python -m benchmarks.batch_kills --kills 100 --scans 300`` in the repository's folder. Tiny
scans are predicted by two workers of a scheduler, each started by its own command. A random one of
the processes is killed at a random moment, again and again, and what was killed is started again;
the client with ``--resume``. With ``--sent`` the workers do not see the scans, which are sent to
them. At the end the labels, their records and the ranking of the B-scans must be those of a run
that nobody disturbed. Where the batch ends before all kills are done, it begins again in a new
folder. Printed as JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import psutil

from tests.cli.conftest import save_bscan

PORT = 18931
#: The next process is killed when there is another label, or after this time.
_PATIENCE_SECONDS = 60.0
#: Finds that a worker does not see the files.
_BLIND = (
    "from pathlib import Path; from napari_retseg.cli import courier, main; "
    "from napari_retseg.engine.sight import SightJob; "
    "courier.SightJob = lambda paths: SightJob((*paths, Path('/nowhere'))); main()"
)


class Cluster:
    """A scheduler and workers, which can be killed and started again."""

    def __init__(self, log: Path, workers: int) -> None:
        self._log = log
        self._address = f"tcp://127.0.0.1:{PORT}"
        self._scheduler: subprocess.Popen[bytes] | None = None
        self._workers: list[subprocess.Popen[bytes] | None] = [None] * workers

    def mend(self) -> None:
        """Start what does not run."""
        if self._scheduler is None or self._scheduler.poll() is not None:
            self._scheduler = self._start("cluster", "scheduler", "--port", str(PORT))
            while not _listens():
                time.sleep(0.1)
        for k, worker in enumerate(self._workers):
            if worker is None or worker.poll() is not None:
                self._workers[k] = self._start("worker", self._address)

    def kill(self, victim: str, draw: random.Random) -> None:
        """Kill the scheduler, a worker's job process, or a worker command with all that it has."""
        if victim == "scheduler":
            assert self._scheduler is not None
            self._scheduler.kill()
            return
        worker = draw.choice(self._workers)
        if worker is None or worker.poll() is not None:
            return
        below = psutil.Process(worker.pid).children(recursive=True)
        for process in below if victim == "job" else [psutil.Process(worker.pid), *below]:
            _kill(process)

    def close(self) -> None:
        """End all."""
        for worker in self._workers:
            if worker is not None and worker.poll() is None:
                for process in psutil.Process(worker.pid).children(recursive=True):
                    _kill(process)
                worker.kill()
        if self._scheduler is not None:
            self._scheduler.kill()

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        with self._log.open("ab") as log:
            command = [sys.executable, "-m", "napari_retseg", *words]
            return subprocess.Popen(command, stdout=log, stderr=log)


def _listens() -> bool:
    found = psutil.net_connections("tcp")
    return any(one.laddr and one.laddr[1] == PORT and one.status == "LISTEN" for one in found)


def _kill(process: psutil.Process) -> None:
    try:
        process.kill()
    except psutil.NoSuchProcess:
        return


def list_contents(folder: Path) -> dict[str, bytes]:
    """Read all files of a folder but for locks and what a killed program left unfinished."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def run_once(
    cluster: Cluster, command: list[str], draw: random.Random, kills: int, log: Path
) -> Counter[str]:
    """Do the batch with up to `kills` kills; return how often which process was killed."""
    done: Counter[str] = Counter()
    output = Path(command[command.index("--output") + 1])
    seen, at = 0, 0.0
    while True:
        cluster.mend()
        with log.open("ab") as stream:
            client = subprocess.Popen(command, stdout=stream, stderr=stream)
        while client.poll() is None:
            try:
                client.wait(draw.uniform(0.1, 1.5))
                break
            except subprocess.TimeoutExpired:
                cluster.mend()  # workers end some time after their scheduler
                n_labels = sum(1 for _ in output.glob("*.png"))
                # a busy machine may need longer to start all again than it lives
                is_working = n_labels > seen or time.monotonic() - at > _PATIENCE_SECONDS
                if sum(done.values()) >= kills or not is_working:
                    continue
                seen, at = n_labels, time.monotonic()
                victim = draw.choice(("client", "scheduler", "job", "worker"))
                done[victim] += 1
                if victim == "client":
                    client.send_signal(signal.SIGKILL)
                    client.wait()
                else:
                    cluster.kill(victim, draw)
                    cluster.mend()
        if client.returncode == 0:
            return done


def main() -> None:
    """Kill, compare, and print JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--scans", type=int, default=300)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--sent", action="store_true")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=60, help="when no new round begins")
    given = parser.parse_args()
    draw = random.Random(given.seed)
    began = time.monotonic()
    killed: Counter[str] = Counter()
    rounds: list[bool] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for k in range(given.scans):
            save_bscan(folder / "scans" / f"b{k:04d}.png", seed=k)
        base = ["predict", str(folder / "scans"), "--model", given.model, "--uncertainty"]
        base += ["--device", "cpu", "--precision", "fp32"]
        plain = [sys.executable, "-m", "napari_retseg"]
        alone = [*plain, *base, "--output", str(folder / "out")]
        subprocess.run(alone, check=True, capture_output=True)
        wanted = list_contents(folder / "out")
        cluster = Cluster(folder / "log", workers=2)
        start = [sys.executable, "-c", _BLIND] if given.sent else plain
        more = ["--scheduler", f"tcp://127.0.0.1:{PORT}", "--resume"]
        try:
            while sum(killed.values()) < given.kills:
                if time.monotonic() - began > 60 * given.minutes:
                    break
                # the ranking names the files: all rounds have the same folder
                (folder / "out").rename(folder / f"old-{len(rounds)}")
                command = [*start, *base, "--output", str(folder / "out"), *more]
                left = given.kills - sum(killed.values())
                killed += run_once(cluster, command, draw, left, folder / "client.log")
                rounds.append(list_contents(folder / "out") == wanted)
        finally:
            cluster.close()
    about = {"kills": sum(killed.values()), **killed, "scans": given.scans, "sent": given.sent}
    about |= {"rounds": len(rounds), "rounds_as_undisturbed": sum(rounds)}
    seconds = round(time.monotonic() - began)
    print(json.dumps({**about, "seconds": seconds, "load": os.getloadavg()}, indent=2))


if __name__ == "__main__":
    main()

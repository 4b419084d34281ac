"""Change files at random and read them, in children with a limit of memory and a watchdog.

``python -m tests.fuzz.drive --count 20000`` does a long run and keeps what failed; ``make fuzz``
calls it.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, Queue
from typing import Any

import psutil

from tests.fuzz.child import change
from tests.fuzz.seeds import FILES, FOLDERS, WITH_TORCH, make_seeds

#: Seconds of computing (a busy machine does not count), and of waiting, that a case may take.
LONGEST = 10.0
LONGEST_WAIT = 120.0


@dataclass
class Report:
    """How the cases ended, and those that ended wrong."""

    outcomes: Counter[str] = field(default_factory=Counter)
    by_kind: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    faults: list[dict[str, Any]] = field(default_factory=list)

    def add(self, result: dict[str, Any]) -> None:
        self.outcomes[result["outcome"]] += 1
        self.by_kind[f"{result['kind']} {result['outcome']}"] += 1
        if result["outcome"] == "refused":
            self.refusals[f"{result['kind']}: {result['message'].partition(': ')[2][:150]}"] += 1
        if result["outcome"] not in ("read", "refused"):
            self.faults.append(result)


def run(seeds: Path, kinds: list[str], *, seed: int, numbers: range, report: Report) -> None:
    """Do cases in children; one that hangs or dies is a fault, and the next ones follow."""
    while len(numbers):
        last = _run_child(seeds, kinds, seed, numbers, report)
        if last is None:
            return
        numbers = range(last + numbers.step, numbers.stop, numbers.step)


def _run_child(
    seeds: Path, kinds: list[str], seed: int, numbers: range, report: Report
) -> int | None:
    """Return the number of the case at which the child was lost; None where it came to its end."""
    command = [sys.executable, "-m", "tests.fuzz.child", str(seeds), ",".join(kinds), str(seed)]
    command += [str(n) for n in (numbers.start, numbers.stop, numbers.step)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=_root()
    )
    lines: Queue[str] = Queue()
    errors: list[str] = []
    assert process.stdout is not None
    assert process.stderr is not None
    readers = [
        threading.Thread(target=_drain, args=(process.stdout, lines.put)),
        threading.Thread(target=_drain, args=(process.stderr, errors.append)),
    ]
    for reader in readers:
        reader.start()
    begun: dict[str, Any] | None = None
    try:
        begun, how = _follow(process, lines, report)
    finally:
        process.kill()
        process.wait()
        for reader in readers:
            reader.join()
        process.stdout.close()
        process.stderr.close()
    if begun is None and how == "ended" and process.returncode == 0:
        return None
    if begun is None:
        raise RuntimeError(f"no case was begun: {''.join(errors)[-2000:]}")
    kind = kinds[begun["number"] % len(kinds)]
    message = "".join(errors)[-2000:]
    report.add({"name": begun["begun"], "kind": kind, "outcome": how, "message": message})
    return int(begun["number"])


def _drain(stream: Any, put: Any) -> None:
    for line in stream:
        put(line)


def _follow(
    process: subprocess.Popen[str], lines: Queue[str], report: Report
) -> tuple[dict[str, Any] | None, str]:
    """Take what a child tells until it ends or hangs; return the case in which it did."""
    begun: dict[str, Any] | None = None
    since, spent = time.monotonic(), _computed(process)
    while True:
        try:
            told = json.loads(lines.get(timeout=0.5))
        except Empty:
            if process.poll() is not None and lines.empty():
                return begun, "ended" if begun is None else "died"
            waited = time.monotonic() - since > LONGEST_WAIT
            if begun is not None and (waited or _computed(process) - spent > LONGEST):
                return begun, "hang"
            continue
        since, spent = time.monotonic(), _computed(process)
        begun = told if "begun" in told else None
        if begun is None:
            report.add(told)


def _computed(process: subprocess.Popen[str]) -> float:
    try:
        times = psutil.Process(process.pid).cpu_times()
    except psutil.Error:
        return 0.0
    return float(times.user + times.system)


def _root() -> Path:
    return Path(__file__).parents[2]


def fuzz(
    root: Path, *, count: int, seed: int, processes: int = 2, only: Sequence[str] = ()
) -> Report:
    """Make seeds below a folder and read `count` changed files; each kind has its share."""
    seeds = root / "seeds"
    make_seeds(seeds)
    report = Report()
    wanted = [kind for kind in (*FILES, *FOLDERS) if not only or kind in only]
    plain = [kind for kind in wanted if kind not in WITH_TORCH]
    torch = [kind for kind in wanted if kind in WITH_TORCH]
    heavy = count * len(torch) // len(wanted)
    work = [
        (plain, range(start, count - heavy, processes - 1 or 1))
        for start in range(processes - 1 or 1)
        if plain
    ]
    work.append((torch, range(heavy)))
    threads = [
        threading.Thread(
            target=run,
            args=(seeds, kinds),
            kwargs={"seed": seed, "numbers": numbers, "report": report},
        )
        for kinds, numbers in work
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return report


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--only", nargs="*", default=(), help="these kinds")
    parser.add_argument("--refusals", type=int, default=0, help="print the commonest so many")
    parser.add_argument("--keep", type=Path, default=Path("fuzz-faults"))
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        start = time.monotonic()
        report = fuzz(
            root,
            count=arguments.count,
            seed=arguments.seed,
            processes=arguments.processes,
            only=arguments.only,
        )
        for fault in report.faults:
            print(f"{fault['outcome']} {fault['name']}\n{fault['message'][-1500:]}")
            change(root / "seeds", fault["kind"], arguments.keep / fault["name"], fault["name"])
        for name, n in sorted(report.by_kind.items()):
            print(f"{n:6} {name}")
        for text, n in report.refusals.most_common(arguments.refusals):
            print(f"{n:6} {text}")
        print(f"{dict(report.outcomes)} in {time.monotonic() - start:.0f} s")
    sys.exit(bool(report.faults))


if __name__ == "__main__":
    main()

"""Reads changed files one after the other, and says of each how it ended.

A case is named by the seed and its number alone, so that one can be done again.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import resource
import shutil
import sys
import tempfile
import traceback
import warnings
from pathlib import Path
from typing import IO

MOST_BYTES = 2**30


def change(seeds: Path, kind: str, case: Path, seed: str) -> str:
    """Copy the files of a kind, one of them changed; return which."""
    from tests.fuzz.mutations import mutate

    shutil.rmtree(case, ignore_errors=True)
    source = seeds / kind
    rng = random.Random(seed)
    files = sorted(path.relative_to(source) for path in source.rglob("*") if path.is_file())
    texts = [path for path in files if path.suffix in (".json", ".jsonl", ".yaml", ".xml")]
    pool = texts if texts and rng.random() < 0.7 else files
    chosen = rng.choice([path for path in pool if not path.name.startswith(".")] or files)
    for path in files:
        target = case / path
        target.parent.mkdir(parents=True, exist_ok=True)
        if path != chosen:
            shutil.copyfile(source / path, target)
            continue
        data = (source / path).read_bytes()
        target.write_bytes(mutate(rng, path.name, data))
    return str(chosen)


def judge(kind: str, case: Path) -> tuple[str, str]:
    """How reading ended: read, refused (with the message), or the fault."""
    from napari_retseg.errors import RetsegError
    from tests.fuzz.reading import read

    before = _bytes("VmRSS")
    _reset_peak()
    try:
        read(kind, case)
        outcome, message = "read", ""
    except RetsegError as error:
        outcome, message = "refused", str(error)
        if "too large for the memory" in message:
            outcome = "memory"
        if "\n" in message or not message:
            outcome = "unclear"
    except Exception:  # noqa: BLE001 - whatever it is, it is a fault
        outcome, message = "other", traceback.format_exc()
    if _bytes("VmHWM") - before > MOST_BYTES:
        return "memory", f"{_bytes('VmHWM') - before} bytes; {message}"
    return outcome, message


def _bytes(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name + ":"):
            return int(line.split()[1]) * 1024
    return 0


def _reset_peak() -> None:
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def _limit_memory() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_bytes("VmSize") + 3 * MOST_BYTES // 2,) * 2)


def work(seeds: Path, kinds: list[str], seed: int, numbers: range, told: IO[str]) -> None:
    """Do the cases with these numbers."""
    for kind in kinds:  # what is imported on the way is not the files' memory
        with contextlib.suppress(Exception):
            change(seeds, kind, Path("warm"), "warm")
            judge(kind, Path("warm"))
    _limit_memory()
    for number in numbers:
        kind = kinds[number % len(kinds)]
        name = f"{seed}-{kind}-{number}"
        print(json.dumps({"begun": name, "number": number}), file=told, flush=True)
        chosen = change(seeds, kind, Path("case"), name)
        outcome, message = judge(kind, Path("case"))
        result = {"name": name, "kind": kind, "file": chosen, "outcome": outcome}
        print(json.dumps({**result, "message": message[-3000:]}), file=told, flush=True)


def main() -> None:
    """Arguments: seeds, kinds (with commas), seed, first number, last, step."""
    seeds, kinds, seed, *numbers = sys.argv[1:]
    told = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as work_folder:
        for name in ("SALT", "CACHE", "MODELS", "STATE"):
            os.environ[f"NAPARI_RETSEG_{name}"] = f"{work_folder}/{name}"
        os.environ["TMPDIR"] = tempfile.tempdir = work_folder
        os.environ["HOME"] = os.environ["XDG_DATA_HOME"] = work_folder
        os.chdir(work_folder)
        work(Path(seeds), kinds.split(","), int(seed), range(*map(int, numbers)), told)


if __name__ == "__main__":
    main()

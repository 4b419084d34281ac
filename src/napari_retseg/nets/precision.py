"""Which precision is the fastest on this computer's CPU: measured once, then kept.

The dock, its workers and the command line are processes of their own. If each measured for itself,
two of them could choose differently on a busy machine, and label some pixels differently.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import os
import platform
import time
from pathlib import Path

import platformdirs
import torch
from filelock import FileLock, Timeout

from napari_retseg.errors import InputError
from napari_retseg.io.atomic import write_text

_DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32}
#: Rounds of timing; on a busy machine most of them are interrupted.
_ROUNDS = 25
#: bf16 is taken where it is about as fast: it needs less memory.
_ADVANTAGE = 0.85
#: Seconds to wait for another process that measures.
_PATIENCE = 10.0


def cache_folder() -> Path:
    """Where the measurement is kept; ``NAPARI_RETSEG_CACHE`` moves it."""
    moved = os.environ.get("NAPARI_RETSEG_CACHE")
    return Path(moved) if moved else platformdirs.user_cache_path("napari-retseg")


@functools.cache
def choose_cpu_dtype() -> torch.dtype:
    """Choose bf16 only where the processor has code for it and convolutions are no slower so.

    Some processors have the instructions, and are slower with them.
    """
    if not _cpu_has_bf16():
        return torch.float32
    kept = cache_folder() / f"precision-{_name_machine()}.txt"
    try:
        kept.parent.mkdir(parents=True, exist_ok=True)
        # the first process measures, the others wait and read
        with FileLock(kept.with_suffix(".lock"), timeout=_PATIENCE):
            found = _read(kept)
            if found is None:
                found = _measure()
                write_text(kept, f"{found}\n")
    except (OSError, Timeout, InputError):
        found = _measure()  # where nothing can be kept, each process measures
    return _DTYPES[found]


def _read(path: Path) -> str | None:
    text = path.read_text(encoding="utf-8").strip() if path.is_file() else ""
    return text if text in _DTYPES else None


def _name_machine() -> str:
    """Name the processor and torch: a home folder may be shared by several computers."""
    capability = torch.backends.cpu.get_cpu_capability()
    known = (platform.machine(), _name_processor(), capability, torch.__version__)
    return hashlib.sha256(repr(known).encode()).hexdigest()[:16]


def _name_processor() -> str:
    """Name the processor's model; Linux tells it in a file only, and of each core again."""
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8", errors="replace") as lines:
            first = itertools.takewhile(str.strip, lines)
            return "".join(line for line in first if line.startswith(("model name", "flags")))
    except OSError:
        return platform.processor()


def _cpu_has_bf16() -> bool:
    """Whether convolutions in bf16 have code of their own here; timing says what it is worth."""
    # without such code they are a hundred times slower, too slow to be timed
    has_code = getattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", None)
    return has_code is not None and bool(has_code())


def _measure() -> str:
    seconds = dict.fromkeys(_DTYPES, float("inf"))
    for _ in range(_ROUNDS):  # in turns, so that other work on the machine slows both
        for name, dtype in _DTYPES.items():
            seconds[name] = min(seconds[name], _time_convolution(dtype))
    return "bf16" if seconds["bf16"] * _ADVANTAGE <= seconds["fp32"] else "fp32"


def _time_convolution(dtype: torch.dtype) -> float:
    """Seconds of a 3 x 3 convolution of the size of a small network's (0.3 Gflop)."""
    with torch.inference_mode():
        images = torch.ones(1, 64, 64, 64, dtype=dtype).contiguous(
            memory_format=torch.channels_last
        )
        kernel = torch.ones(64, 64, 3, 3, dtype=dtype).contiguous(memory_format=torch.channels_last)
        began = time.perf_counter()
        torch.nn.functional.conv2d(images, kernel, padding=1)
        return time.perf_counter() - began

"""Where a network's time goes on this CPU, against the speed of matrix products in the same run.

Run ``python -m benchmarks.network_speed --model starter`` in the repository's folder. One B-scan
goes through the network as a prediction sends it (bf16, channels_last, BatchNorm folded), again
and again. Every operation is timed, and its fastest time counts, so that other work on the machine
disturbs little. Printed as a Markdown table; the peak is the fastest of many products of square
matrices.
"""

from __future__ import annotations

import argparse
import math
import time
from collections import defaultdict
from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from napari_retseg.config import PredictConfig
from napari_retseg.infer.predict import load_predictor

_MATRIX = 1024
_PRODUCTS = 300


class Stopwatch(TorchFunctionMode):
    """Keeps the fastest time of each operation, by its place in the network."""

    def __init__(self) -> None:
        super().__init__()
        self.kinds: list[tuple[str, float]] = []
        self.seconds: list[float] = []
        self._at = 0

    def restart(self) -> None:
        """Begin with the first operation again."""
        self._at = 0

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Do as asked, and look at the clock."""
        began = time.perf_counter()
        found = func(*args, **(kwargs or {}))
        took = time.perf_counter() - began
        if not isinstance(found, torch.Tensor):
            return found
        if self._at == len(self.seconds):
            self.kinds.append(_describe(func, args, found))
            self.seconds.append(took)
        self.seconds[self._at] = min(self.seconds[self._at], took)
        self._at += 1
        return found


def _describe(func: Callable[..., Any], args: Any, found: torch.Tensor) -> tuple[str, float]:
    """Kind of an operation, and its floating-point operations."""
    name = func.__name__.strip("_")
    if name != "conv2d":
        return {"relu": "ReLU", "cat": "concatenation", "interpolate": "upsampling"}.get(
            name, "pooling" if "pool" in name else "other"
        ), 0.0
    weight = args[1]
    depth, width = found.shape[2:]
    return f"convolutions to {depth} x {width}", 2.0 * weight[0].numel() * found.numel()


def measure_peak() -> float:
    """Floating-point operations a second of the fastest matrix product."""
    a, b = (torch.rand(_MATRIX, _MATRIX).bfloat16() for _ in range(2))
    fastest = math.inf
    for _ in range(_PRODUCTS):
        began = time.perf_counter()
        a @ b
        fastest = min(fastest, time.perf_counter() - began)
    return 2.0 * _MATRIX**3 / fastest


def main() -> None:
    """Time, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--model", default="starter")
    parser.add_argument("--size", type=int, nargs=2, default=(512, 384))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=150)
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    predictor = load_predictor(given.model, PredictConfig(device="cpu", precision="bf16"))
    images = torch.rand(1, predictor.info.network.in_channels, *given.size)
    watch = Stopwatch()
    with torch.inference_mode():
        peak = measure_peak()
        for _ in range(given.repeats):
            watch.restart()
            with watch:
                predictor._compute(images)
        peak = max(peak, measure_peak())
    rows: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for (kind, flop), seconds in zip(watch.kinds, watch.seconds, strict=True):
        for row in (rows[kind], rows["all"]):
            row[0] += flop
            row[1] += seconds
    print(f"peak {peak / 1e9:.0f} GFLOP/s, {given.threads} threads, {given.size}\n")
    print("| operations | GFLOP | ms | GFLOP/s | of the peak |\n|---|---|---|---|---|")
    for kind, (flop, seconds) in sorted(rows.items(), key=lambda item: -item[1][1]):
        speed = f"{flop / seconds / 1e9:.0f} | {flop / seconds / peak:.2f}" if flop else "- | -"
        print(f"| {kind} | {flop / 1e9:.2f} | {seconds * 1e3:.2f} | {speed} |")


if __name__ == "__main__":
    main()

"""Labels and speed of an exported model by each runtime, against PyTorch on the CPU.

Run ``python -m benchmarks.runtimes SCAN... --threads 2`` with the extras ``onnx`` and
``openvino``. It exports the starter (or ``--model``), and reports

- how many pixels have other labels than in PyTorch's fp32, by ``--decode plain`` and
  ``surfaces``, and of those of ``plain`` how far PyTorch's two most probable classes lie apart at
  most;
- the time of the network alone, and of B-scans to labels, as a share of PyTorch's fp32. All take
  turns, B-scan by B-scan, with the same number of threads; the median of the ratios is given.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.config import Decoding, PredictConfig
from napari_retseg.infer.export import export_onnx
from napari_retseg.infer.predict import AnyPredictor, open_predictor
from napari_retseg.io import read_scan
from napari_retseg.models import find_model
from napari_retseg.nets.arrays import ops_of
from napari_retseg.nets.device import use_threads
from napari_retseg.scan import OctScan

#: Name, runtime and precision; the first is what the others are compared with.
KINDS = (
    ("torch fp32", "torch", "fp32"),
    ("torch bf16", "torch", "bf16"),
    ("onnx", "onnx", "fp32"),
    ("openvino", "openvino", "fp32"),
)
Ready = dict[str, AnyPredictor]


def make_ready(model: Path, exported: Path, decode: Decoding, threads: int) -> Ready:
    """One predictor of each kind."""
    found: Ready = {}
    for name, runtime, precision in KINDS:
        config = PredictConfig.model_validate(
            {"runtime": runtime, "device": "cpu", "precision": precision, "decode": decode}
        )
        folder = model if runtime == "torch" else exported
        found[name] = open_predictor(folder, config, threads=threads)
    return found


def walk(scans: Iterable[OctScan]) -> Iterator[tuple[OctScan, int]]:
    """All B-scans."""
    for scan in scans:
        for index in range(scan.n_bscans):
            yield scan, index


def label(predictor: AnyPredictor, scan: OctScan, index: int) -> NDArray[np.uint8]:
    """Labels of one B-scan."""
    ((_, found),) = predictor.label_scan(scan, [index])
    return found.labels


def find_margin(predictor: AnyPredictor, scan: OctScan, index: int) -> NDArray[Any]:
    """How far the two most probable classes of each pixel lie apart."""
    ((_, logits),) = predictor.predict_logits(scan, [index])
    ops = ops_of(logits)
    best = np.sort(ops.to_numpy(ops.softmax(ops.to_float(logits)))[0], axis=0)
    return np.asarray(best[-1] - best[-2])


def compare_labels(ready: Ready, scans: list[OctScan], decode: str) -> None:
    """Count the pixels that differ."""
    first, *others = ready
    differing, apart, total = dict.fromkeys(others, 0), dict.fromkeys(others, 0.0), 0
    for scan, index in walk(scans):
        expected = label(ready[first], scan, index)
        margin = find_margin(ready[first], scan, index)
        total += expected.size
        for name in others:
            differs = label(ready[name], scan, index) != expected
            differing[name] += int(differs.sum())
            apart[name] = max(apart[name], float(margin[differs].max(initial=0)))
    for name in others:
        line = f"{decode:<9} {name:<11} {differing[name]} of {total} pixels differ"
        print(f"{line}, apart by up to {apart[name]:.1e}" if decode == "plain" else line)


def compare_speed(ready: Ready, scans: list[OctScan], repeats: int) -> None:
    """Time the network and the whole way, in turns."""
    seconds: dict[str, dict[str, list[float]]] = {
        what: {name: [] for name in ready} for what in ("network", "labels")
    }
    for turn, (scan, index) in enumerate(list(walk(scans)) * (1 + repeats)):
        for name, predictor in ready.items():
            began = time.perf_counter()
            list(predictor.predict_inputs(scan, [index]))
            network = time.perf_counter() - began
            began = time.perf_counter()
            label(predictor, scan, index)
            if turn >= sum(one.n_bscans for one in scans):  # the first round compiles
                seconds["network"][name].append(network)
                seconds["labels"][name].append(time.perf_counter() - began)
    first = next(iter(ready))
    for what, times in seconds.items():
        for name, own in times.items():
            ratio = statistics.median(a / b for a, b in zip(own, times[first], strict=True))
            print(
                f"{what:<8} {name:<11} {1000 * statistics.median(own):7.1f} ms, at best "
                f"{1000 * min(own):7.1f} ms a B-scan; {ratio:.2f} of {first} (n = {len(own)})"
            )


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("scans", nargs="+", type=Path)
    parser.add_argument("--model", default="starter")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--speed", nargs="+", type=Path, help="scans to time; default: all")
    given = parser.parse_args()
    use_threads(given.threads)
    model = find_model(given.model)
    scans = [read_scan(path) for path in given.scans]
    timed = [read_scan(path) for path in given.speed] if given.speed else scans
    with tempfile.TemporaryDirectory() as folder:
        exported = Path(folder) / "exported"
        export_onnx(model, exported)
        for decode in ("plain", "surfaces"):
            ready = make_ready(model, exported, decode, given.threads)
            compare_labels(ready, scans, decode)
        compare_speed(ready, timed, given.repeats)
    print(f"{given.threads} threads; load {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()

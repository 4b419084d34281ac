"""Rate of ``napari-retseg predict`` on many pictures against one volume of the same B-scans.

Run ``python benchmarks/small_scans.py``. It simulates B-scans of 496 x 768, writes each of them as
PNG and all of them as one zlib TIFF, and labels both with the starter model, in turns and each in a
process of its own. Start-up is measured with one picture and taken off. Reported are seconds and
CPU seconds for each B-scan, the ratio of the rates, and how many pictures have other labels than
their B-scan in the volume.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import psutil
import tifffile
from PIL import Image

SHAPE = (496, 768)


def make_inputs(folder: Path, count: int) -> dict[str, Path]:
    """Write the same B-scans as one picture, as many pictures, and as a volume."""
    from napari_retseg.simulate import draw_volume, make_device_config

    config = make_device_config(size=SHAPE, n_bscans=8)
    some = np.asarray(draw_volume(config, seed=0).scan.pixels)
    bscans = np.concatenate([some] * (count // len(some) + 1))[:count]
    paths = {"one": folder / "one", "pictures": folder / "pictures"}
    for path in paths.values():
        path.mkdir()
    for number, bscan in enumerate(bscans):
        Image.fromarray(bscan).save(paths["pictures"] / f"b{number:05d}.png")
    Image.fromarray(bscans[0]).save(paths["one"] / "b.png")
    paths["volume"] = folder / "volume.tif"
    tifffile.imwrite(paths["volume"], bscans, compression="zlib", photometric="minisblack")
    return paths


def measure(source: Path, output: Path) -> tuple[float, float]:
    """Label a file or folder; return the seconds and the CPU seconds of the command."""
    command = [sys.executable, "-m", "napari_retseg", "predict", str(source), "--overwrite"]
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([*command, "--output", str(output)], check=True, stdout=subprocess.DEVNULL)
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def count_others(folder: Path) -> int:
    """Count the pictures whose labels are not those of their B-scan in the volume."""
    volume = tifffile.imread(folder / "out-volume" / "volume.tif")
    labels = sorted((folder / "out-pictures").glob("*.png"))
    pairs = zip(volume, labels, strict=True)
    return sum(not np.array_equal(bscan, np.asarray(Image.open(path))) for bscan, path in pairs)


def main() -> None:
    """Compare, and print one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    times: dict[str, list[tuple[float, float]]] = {"one": [], "volume": [], "pictures": []}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = make_inputs(folder, options.count)
        for _ in range(options.repeats):
            for kind, path in paths.items():
                times[kind].append(measure(path, folder / f"out-{kind}"))
        n_others = count_others(folder)
    found: dict[str, object] = {}
    for which, unit in enumerate(["seconds", "cpu_seconds"]):
        each = {
            kind: [
                (whole[which] - start[which]) / (options.count - 1)
                for whole, start in zip(times[kind], times["one"], strict=True)
            ]
            for kind in ("volume", "pictures")
        }
        ratios = [v / p for v, p in zip(each["volume"], each["pictures"], strict=True)]
        found[unit] = {kind: round(statistics.median(v), 4) for kind, v in each.items()}
        found[f"rate_of_pictures_by_{unit}"] = [round(ratio, 3) for ratio in ratios]
    found |= {"other_labels": n_others, "bscans": options.count, "load": psutil.getloadavg()}
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

"""What decoding layers as surfaces costs, and what it mends, against plain labels.

Run ``python -m benchmarks.decoding`` for the time of 61 simulated B-scans of 496 x 768, both ways
in turns; with ``--scans FILE ...`` for the number of B-scans in which an A-scan is impossible:
layers out of order, doubled, or with holes.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import tifffile

from napari_retseg.config import PredictConfig
from napari_retseg.infer.predict import load_predictor
from napari_retseg.infer.predictor import Predictor
from napari_retseg.io.scans import read_scan
from napari_retseg.layers import boundaries_of_labels, labels_of_boundaries, layer_order
from napari_retseg.simulate import draw_volume, make_device_config

WAYS = ("plain", "surfaces")


def measure_time(predictors: dict[str, Predictor], rounds: int) -> None:
    """Print the median seconds of each way."""
    config = make_device_config("A", size=(496, 768), n_bscans=61)
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "volume.tif"
        tifffile.imwrite(file, draw_volume(config, 3).pixels)
        scan, seconds = read_scan(file), {way: list[float]() for way in WAYS}
        for number in range(rounds + 1):
            for way, predictor in predictors.items():
                start = time.perf_counter()
                list(predictor.label_scan(scan, list(range(61))))
                if number:  # the first round warms up
                    seconds[way].append(time.perf_counter() - start)
    middle = {way: statistics.median(found) for way, found in seconds.items()}
    for way in WAYS:
        print(f"{way:9} {middle[way]:.2f} s ({middle[way] / middle['plain']:.2f} times plain)")


def count_impossible(predictors: dict[str, Predictor], files: list[Path]) -> None:
    """Print in how many B-scans an A-scan is impossible."""
    for way, predictor in predictors.items():
        order, wrong, total = layer_order(predictor.info.classes), 0, 0
        for file in files:
            scan = read_scan(file)
            for _, found in predictor.label_scan(scan, list(range(scan.n_bscans))):
                layers = boundaries_of_labels(found.labels, order)
                shown = np.isin(found.labels, [0, *order])
                depth = len(found.labels)
                drawn = labels_of_boundaries(layers.rows, order, depth=depth)
                wrong += bool((shown & (drawn != found.labels)).any())
                total += 1
        print(f"{way:9} {wrong} of {total} B-scans")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--scans", type=Path, nargs="*")
    parser.add_argument("--model", default="starter")
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    predictors = {
        way: load_predictor(arguments.model, PredictConfig.model_validate({"decode": way}))
        for way in WAYS
    }
    if arguments.scans:
        count_impossible(predictors, arguments.scans)
    else:
        measure_time(predictors, arguments.rounds)


if __name__ == "__main__":
    main()

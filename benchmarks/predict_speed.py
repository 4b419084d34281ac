"""Speed and memory of ``napari-retseg predict`` against a plain loop, in one run.

Run ``python benchmarks/predict_speed.py``. It makes a ResNet-34 U-Net with random weights
and simulated volumes of 61 and 244 B-scans of 496 x 768 as zlib TIFF, and runs, in turns
and each as a process of its own,

- the command line, and
- a loop as one would write it first: fp32, default layout, one B-scan at a time.

Both read the file, normalise, pad, predict and write an 8-bit TIFF. Reported are the time
of the whole process, that of the loop alone (from the first B-scan to the last), and the
highest resident memory.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np
import psutil
import tifffile

SHAPE = (496, 768)

PLAIN = """
import sys, time
import numpy as np, tifffile, torch
import segmentation_models_pytorch as smp
from safetensors.torch import load_file
import torch.nn.functional as F
source, weights, target = sys.argv[1:]
net = smp.Unet("resnet34", encoder_weights=None, in_channels=1, classes=9)
net.load_state_dict(load_file(weights))
net.eval()
volume = tifffile.imread(source)
began = time.perf_counter()
out = np.zeros(volume.shape, np.uint8)
with torch.no_grad():
    for i, bscan in enumerate(volume):
        low, high = np.percentile(bscan, (0.5, 99.5))
        x = np.clip((bscan.astype(np.float32) - low) / (high - low), 0, 1)
        x = F.pad(torch.from_numpy(x).float()[None, None], (0, 0, 0, 16), mode="replicate")
        out[i] = net(x)[0, :, :496].argmax(0).numpy()
tifffile.imwrite(target, out, compression="zlib")
print(time.perf_counter() - began)
"""

OURS = """
import sys, time
from pathlib import Path
from napari_retseg.config import PredictConfig
from napari_retseg.events import BscanPredicted
from napari_retseg.infer.predict import load_predictor, predict
from napari_retseg.io import LabelWriter, read_scan
source, model, target = sys.argv[1:]
predictor = load_predictor(model, PredictConfig(device="cpu"))
began = time.perf_counter()
scan = read_scan(Path(source))
with LabelWriter(Path(target), scan=scan) as writer:
    for event in predict(scan, predictor):
        if isinstance(event, BscanPredicted):
            writer.write(event.index, event.labels)
print(time.perf_counter() - began)
"""


def make_inputs(folder: Path, counts: list[int]) -> tuple[Path, dict[int, Path]]:
    """Write the model and one volume for each number of B-scans."""
    from napari_retseg.classes import RETINA
    from napari_retseg.config import NetworkConfig, PreprocessConfig
    from napari_retseg.models import ModelInfo
    from napari_retseg.nets.build import build_seeded
    from napari_retseg.nets.bundle import save_model
    from napari_retseg.simulate import draw_volume, make_device_config

    network = NetworkConfig(encoder="resnet34", n_classes=len(RETINA))
    info = ModelInfo(
        name="benchmark", network=network, classes=RETINA, preprocess=PreprocessConfig()
    )
    save_model(folder / "model", build_seeded(network, seed=0), info)
    config = make_device_config(size=SHAPE, n_bscans=8)
    some = np.asarray(draw_volume(config, seed=0).scan.pixels)
    volumes = {}
    for count in counts:
        volumes[count] = folder / f"volume_{count}.tif"
        repeated = np.concatenate([some] * (count // len(some) + 1))[:count]
        tifffile.imwrite(volumes[count], repeated, compression="zlib", photometric="minisblack")
    return folder / "model", volumes


def measure(command: list[str]) -> tuple[float, float, str]:
    """Run a process; return its seconds, its peak memory in MB and what it printed."""
    began = time.perf_counter()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        peak = [0]

        def watch() -> None:
            while process.poll() is None:
                try:
                    peak[0] = max(peak[0], psutil.Process(process.pid).memory_info().rss)
                except psutil.NoSuchProcess:
                    return
                time.sleep(0.02)

        watcher = threading.Thread(target=watch)
        watcher.start()
        printed, _ = process.communicate()
        watcher.join()
    if process.returncode:
        raise SystemExit(f"{command[:3]} failed")
    return time.perf_counter() - began, peak[0] / 1e6, printed


def main() -> None:
    """Compare, and print one JSON object."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--repeats", type=int, default=3)
    repeats = parser.parse_args().repeats
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        model, volumes = make_inputs(folder, [61, 244])
        target = folder / "out.tif"
        weights = str(model / "model.safetensors")
        small = str(volumes[61])
        plain = [sys.executable, "-c", PLAIN, small, weights, str(target)]
        ours = [sys.executable, "-c", OURS, small, str(model), str(target)]
        whole: dict[str, list[float]] = {"plain": [], "command": []}
        loop: dict[str, list[float]] = {"plain": [], "ours": []}
        memory: dict[int, list[float]] = {61: [], 244: []}

        def run_command(count: int) -> float:
            command = [str(Path(sys.executable).with_name("napari-retseg")), "predict"]
            command += [str(volumes[count]), "--model", str(model)]
            command += ["--output", str(folder / f"out_{count}"), "--device", "cpu"]
            seconds, peak, _ = measure(command)
            memory[count].append(peak)
            return seconds

        for _ in range(repeats):
            seconds, _, printed = measure(plain)
            whole["plain"].append(seconds)
            loop["plain"].append(float(printed))
            loop["ours"].append(float(measure(ours)[2]))
            whole["command"].append(run_command(61))
        run_command(244)
    found = {
        "seconds_whole_process": {k: statistics.median(v) for k, v in whole.items()},
        "seconds_loop": {k: statistics.median(v) for k, v in loop.items()},
        "times_faster_whole_process": statistics.median(
            p / c for p, c in zip(whole["plain"], whole["command"], strict=True)
        ),
        "times_faster_loop": statistics.median(
            p / o for p, o in zip(loop["plain"], loop["ours"], strict=True)
        ),
        "peak_mb_61": max(memory[61]),
        "peak_mb_244": max(memory[244]),
        "repeats": repeats,
        "load_average": psutil.getloadavg(),
    }
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

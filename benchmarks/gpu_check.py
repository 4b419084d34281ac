"""What a GPU does with napari-retseg: speed beside the card's own limit, memory, same labels.

Run ``sh scripts/gpu_check.sh``, or ``python -m benchmarks.gpu_check --output FOLDER``; it takes
less than eight minutes. ``--device cpu`` tries the program itself, with smaller inputs.

- **matrix product**: TFLOP/s of a large one in bf16, the peak that speeds are compared with.
- **prediction** and **training**: B-scans of 496 x 768 a second, beside a loop as one would write
  it first (fp32, no autocast, one B-scan or batch at a time), and the share of the peak.
- **memory**: what stays taken after a prediction that ran out of memory.
- **labels**: pixels that differ from fp32 on the same device, and from the CPU's.
- the tests marked ``gpu``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from napari_retseg.config import Device, NetworkConfig, PredictConfig
from napari_retseg.infer.predict import load_predictor, predict_labels
from napari_retseg.learn.losses import build_loss
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.bundle import load_model
from napari_retseg.nets.device import choose_compute
from napari_retseg.scan import OctScan
from napari_retseg.simulate import SimulatorConfig, draw_volume

SHAPE = (496, 768)
REPEATS = 5
_BATCH = 8


@dataclass(frozen=True)
class Found:
    """One line of the table."""

    what: str
    value: str
    number: float | None = None


class Check:
    """The measurements on one device."""

    def __init__(self, device: Device) -> None:
        self.device: Device = device
        self.is_gpu = device == "cuda"
        self.found: list[Found] = []
        self.peak = 0.0

    def add(self, what: str, value: str, number: float | None = None) -> None:
        """Keep a line, and print it at once."""
        self.found.append(Found(what, value, number))
        print(f"{what:44} {value}", flush=True)

    def attempt(self, part: Callable[[], None]) -> None:
        """Do a part; where it fails, say so and go on."""
        try:
            part()
        except Exception as error:  # noqa: BLE001 - the others are measured all the same
            self.add(part.__name__, f"FAILED: {type(error).__name__}: {error}")

    def time(self, work: Callable[[], Any]) -> float:
        """Median seconds of some work, after one round to warm up."""
        seconds = []
        for _ in range(REPEATS + 1):
            began = time.perf_counter()
            work()
            if self.is_gpu:
                torch.cuda.synchronize()
            seconds.append(time.perf_counter() - began)
        return statistics.median(seconds[1:])

    def matrix_product(self) -> None:
        """Find the peak."""
        n = 8192 if self.is_gpu else 1024
        a, b = (torch.randn(n, n, device=self.device, dtype=torch.bfloat16) for _ in range(2))
        self.peak = 2 * n**3 / self.time(lambda: a @ b) / 1e12
        self.add(f"matrix product, {n} x {n}, bf16", f"{self.peak:.1f} TFLOP/s", self.peak)

    def prediction(self) -> None:
        """Time the starter and a larger network, beside a plain loop."""
        n = 61 if self.is_gpu else 3
        scan = OctScan(make_bscans(n), ("bscan", "depth", "width"))
        predictor = load_predictor("starter", PredictConfig(device=self.device))
        seconds = self.time(lambda: predict_labels(scan, predictor))
        self.add("starter, labels of a volume", f"{n / seconds:.0f} B-scans/s", n / seconds)
        network = NetworkConfig(encoder="resnet34", n_classes=9)
        self._compare_forward("ResNet-34 U-Net, forward", build_seeded(network, 0).eval())

    def _compare_forward(self, name: str, network: torch.nn.Module) -> None:
        compute = choose_compute(self.device, "auto")
        images = torch.rand(_BATCH if self.is_gpu else 1, 1, 512, 768)
        ours = compute.place(network)
        on_device = compute.arrange(images.to(compute.device))

        def forward() -> None:
            with torch.inference_mode(), compute.autocast():
                ours(on_device)

        seconds = self.time(forward)
        with FlopCounterMode(display=False) as counter, torch.inference_mode():
            ours(on_device)
        rate = counter.get_total_flops() / seconds / 1e12
        share = rate / self.peak if self.peak else 0.0
        self.add(name, f"{rate:.1f} TFLOP/s, {share:.2f} of the matrix product", share)
        plain = build_seeded(NetworkConfig(encoder="resnet34", n_classes=9), 0).eval()
        plain = plain.to(compute.device)

        def usual() -> None:
            with torch.no_grad():
                for image in images:
                    plain(image[None].to(compute.device)).argmax(1).cpu()

        ratio = self.time(usual) / seconds
        self.add(f"{name}: a plain fp32 loop takes", f"{ratio:.1f} times as long", ratio)

    def training(self) -> None:
        """Time steps of the starter's network, beside plain fp32 steps."""
        images = torch.rand(_BATCH, 1, 320, 256, device=self.device)
        labels = torch.randint(0, 9, (_BATCH, 320, 256), device=self.device)
        compute = choose_compute(self.device, "auto")
        loss = build_loss("0.5*ce + 0.5*dice")
        speeds = []
        for is_plain in (False, True):
            network = load_model("starter").network.train()
            network = network.to(compute.device) if is_plain else compute.place(network)
            optimizer = torch.optim.AdamW(network.parameters(), 1e-4)

            def step(
                network: torch.nn.Module = network,
                optimizer: torch.optim.Optimizer = optimizer,
                is_plain: bool = is_plain,
            ) -> None:
                optimizer.zero_grad()
                if is_plain:
                    logits = network(images)
                else:
                    with compute.autocast():
                        logits = network(compute.arrange(images))
                loss(logits, labels).backward()
                optimizer.step()

            speeds.append(_BATCH / self.time(step))
        self.add("starter, training", f"{speeds[0]:.0f} samples/s", speeds[0])
        ratio = speeds[0] / speeds[1]
        self.add("starter, training: plain fp32 steps take", f"{ratio:.1f} times as long", ratio)

    def memory(self) -> None:
        """Run out of memory, and see what stays taken."""
        if not self.is_gpu:
            self.add("memory after running out of it", "not measured on a CPU")
            return
        scan = OctScan(make_bscans(16), ("bscan", "depth", "width"))
        predictor = load_predictor("starter", PredictConfig(device="cuda", batch_size=16))
        expected = predict_labels(scan, predictor)
        before = torch.cuda.memory_reserved()
        free, _ = torch.cuda.mem_get_info()
        blocker = torch.empty(max(free - (600 << 20), 0), dtype=torch.uint8, device="cuda")
        try:
            predict_labels(scan, predictor)
            ending = "done in smaller parts"
        except Exception as error:  # noqa: BLE001 - said in the table
            ending = f"one line: {error}"
        del blocker
        torch.cuda.empty_cache()
        more = (torch.cuda.memory_reserved() - before) / 2**20
        self.add("prediction with 600 MB free", ending)
        self.add("memory that stays taken after it", f"{more:.0f} MB", more)
        differ = float((predict_labels(scan, predictor) != expected).mean())
        self.add("labels afterwards differ in", f"{differ:.2e} of the pixels", differ)

    def labels(self) -> None:
        """Compare precisions and devices."""
        bscans = make_bscans(6 if self.is_gpu else 2)
        scan = OctScan(bscans, ("bscan", "depth", "width"))
        exact = self._label(scan, self.device, "fp32")
        others: list[tuple[str, str]] = [(self.device, "bf16")]
        if self.is_gpu:
            others += [(self.device, "fp16"), ("cpu", "fp32")]
        for device, precision in others:
            share = float((self._label(scan, device, precision) != exact).mean())
            name = f"labels: {precision} on {device} and fp32 on {self.device}"
            self.add(name, f"differ in {share:.2e} of the pixels", share)

    @staticmethod
    def _label(scan: OctScan, device: str, precision: str) -> NDArray[np.uint8]:
        config = PredictConfig.model_validate({"device": device, "precision": precision})
        return predict_labels(scan, "starter", config)

    def tests(self) -> None:
        """Run the tests that need a GPU."""
        command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider"]
        ran = subprocess.run([*command, "tests"], capture_output=True, text=True, check=False)
        self.add("tests marked gpu", (ran.stdout.strip().splitlines() or ["nothing"])[-1])


def make_bscans(n: int) -> NDArray[np.uint8]:
    """Simulate B-scans of a Spectralis, ``(n, 496, 768)``; few are drawn, and repeated."""
    config = SimulatorConfig(size=SHAPE)
    drawn = [draw_volume(config, 31, k).scan.pixels[0] for k in range(min(n, 3))]
    return np.stack([drawn[k % len(drawn)] for k in range(n)])


def main() -> None:
    """Measure all, and write the table as JSON and Markdown."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    arguments = parser.parse_args()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        sys.exit("error: torch sees no GPU here; check the driver (nvidia-smi), or --device cpu")
    check = Check(arguments.device)
    name = torch.cuda.get_device_name() if check.is_gpu else "CPU"
    check.add("device", f"{name}, torch {torch.__version__}")
    began = time.monotonic()
    parts = (check.matrix_product, check.prediction, check.training, check.memory, check.labels)
    for part in (*parts, check.tests):
        check.attempt(part)
    check.add("all of it took", f"{time.monotonic() - began:.0f} s")
    arguments.output.mkdir(parents=True, exist_ok=True)
    found = [asdict(one) for one in check.found]
    (arguments.output / "gpu-check.json").write_text(json.dumps(found, indent=1))
    rows = [f"| {one.what} | {one.value} |" for one in check.found]
    table = "\n".join(["| | |", "|---|---|", *rows]) + "\n"
    (arguments.output / "gpu-check.md").write_text(table)
    sys.exit(any(one.value.startswith("FAILED") for one in check.found))


if __name__ == "__main__":
    main()

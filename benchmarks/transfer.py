"""What a model that was pre-trained on simulated scans is worth, by strategy and number of labels.

Run ``python benchmarks/transfer.py DATASET --output DIR``. DATASET has a pinned split by patient
and one B-scan a file. Steps, each skipped where its result is there already:

1. simulate patients of both devices and train a network on them, from scratch;
2. for each size, strategy and seed, fine-tune on so many B-scans of as few patients as hold them
   (the seed also chooses the patients), and score the last iteration on the held-out patients;
3. print the tables.

All runs have the same network, input, number of iterations and options. Nothing is chosen on the
held-out patients: the numbers are those of the last iteration.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import time
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from napari_retseg.classes import RETINA
from napari_retseg.config import NetworkConfig, PreprocessConfig, TrainConfig
from napari_retseg.dataset import Case, Dataset, load_dataset
from napari_retseg.events import Event, Finished, Scored, StepDone
from napari_retseg.learn.train import fine_tune
from napari_retseg.models import ModelInfo
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.bundle import save_model
from napari_retseg.simulate import SimulatorConfig
from napari_retseg.simulate.dataset import simulate_dataset

STRATEGIES = ("all", "decoder", "last-three", "head", "scratch")
SIZES = (5, 11, 22, 66)
NETWORK = NetworkConfig(
    encoder="tu-resnet10t",
    n_classes=len(RETINA),
    options={"encoder_depth": 5, "decoder_channels": [128, 64, 32, 16, 16]},
)
PREPROCESS = PreprocessConfig(scale=(1.0, 0.5))
PRETRAINING = TrainConfig(
    strategy="scratch",
    crop="256x256",
    augment="strong",
    batch_size=6,
    iterations=1000,
    score_every=500,
    lr=2e-3,
)
FINE_TUNING = TrainConfig(
    crop="256x256", batch_size=4, iterations=200, score_every=200, checkpoint_seconds=600
)


def simulate(folder: Path) -> Dataset:
    """Simulate 24 patients of either device, in one data set."""
    parts = []
    for seed, device in enumerate(("A", "B")):
        config = SimulatorConfig(device=device, n_bscans=3, depth=496, width=768, bscan_um=300)
        parts.append(simulate_dataset(folder / device, count=24, seed=seed, config=config))
    cases = tuple(case for part in parts for case in part.cases)
    return parts[0].model_copy(update={"root": folder.resolve(), "cases": cases})


def pretrain(output: Path) -> Path:
    """Train on simulated scans; return the bundle's folder."""
    model = output / "pretraining" / "model-last"
    if (model / "model.json").is_file():
        return model
    data = simulate(output / "simulated")
    blank = ModelInfo(name="blank", network=NETWORK, classes=RETINA, preprocess=PREPROCESS)
    save_model(output / "blank", build_seeded(NETWORK, seed=0), blank)
    run = output / "pretraining"
    follow(fine_tune(data, PRETRAINING, output=run, start=output / "blank"))
    return model


def follow(events: Iterable[Event]) -> dict[str, Any]:
    """Print the progress now and then; return the result."""
    for event in events:
        if isinstance(event, StepDone) and event.iteration % 100 == 0:
            print(f"  iteration {event.iteration}: loss {event.loss:.3f}", flush=True)
        elif isinstance(event, Scored):
            print(f"  scored: {event.scores['mean_foreground_dice']}", flush=True)
        elif isinstance(event, Finished):
            return event.result
    raise RuntimeError("the training did not finish")


def choose_bscans(dataset: Dataset, size: int, seed: int) -> Dataset:
    """Keep `size` training B-scans of as few patients as hold them; the seed rotates patients."""
    groups = list(dataset.groups("train"))
    groups = groups[seed % len(groups) :] + groups[: seed % len(groups)]
    chosen: list[Case] = []
    for group in groups:
        own = [case for case in dataset.of_split("train") if case.group == group]
        missing = min(size - len(chosen), len(own))
        places = np.linspace(0, len(own) - 1, missing).round().astype(int)
        chosen += [own[place] for place in places]
    return dataset.model_copy(update={"cases": (*chosen, *dataset.of_split("val"))})


def measure(dataset: Dataset, model: Path, output: Path, results: Path) -> list[dict[str, Any]]:
    """Do the runs that are not among the results yet."""
    done = [json.loads(x) for x in results.read_text().splitlines()] if results.is_file() else []
    known = {(row["size"], row["strategy"], row["seed"]) for row in done}
    for seed in (0, 1, 2):
        for size in SIZES:
            for strategy in STRATEGIES:
                if (size, strategy, seed) in known:
                    continue
                row = run_once(dataset, model, output, size=size, strategy=strategy, seed=seed)
                done.append(row)
                with results.open("a") as stream:
                    stream.write(json.dumps(row) + "\n")
    return done


def run_once(
    dataset: Dataset, model: Path, output: Path, *, size: int, strategy: str, seed: int
) -> dict[str, Any]:
    """Fine-tune once, and score the last iteration."""
    print(f"{size} B-scans, {strategy}, seed {seed}", flush=True)
    began = time.perf_counter()
    config = FINE_TUNING.model_copy(update={"strategy": strategy, "seed": seed})
    part = choose_bscans(dataset, size, seed)
    folder = output / f"{size}-{strategy}-{seed}-{time.time_ns()}"
    result = follow(fine_tune(part, config, output=folder, start=model))
    shutil.rmtree(folder)
    last = result["last"]
    return {
        "size": size,
        "strategy": strategy,
        "seed": seed,
        "patients": len(part.groups("train")),
        "mean": last["mean_foreground_dice"],
        "classes": {name: own["dice"] for name, own in last["classes"].items()},
        "start": None if result["start"] is None else result["start"]["mean_foreground_dice"],
        "seconds": time.perf_counter() - began,
    }


def format_table(rows: Sequence[dict[str, Any]], name: str) -> str:
    """Make a table of one class, or of ``mean``: strategies by sizes, mean and range of seeds."""
    lines = ["| strategy | " + " | ".join(f"{size} B-scans" for size in SIZES) + " |"]
    lines.append("|---" * (len(SIZES) + 1) + "|")
    for strategy in STRATEGIES:
        cells = []
        for size in SIZES:
            values = [
                row["mean"] if name == "mean" else row["classes"][name]
                for row in rows
                if (row["size"], row["strategy"]) == (size, strategy)
            ]
            spread = f"{min(values):.3f}-{max(values):.3f}" if values else ""
            cells.append(f"{statistics.mean(values):.3f} ({spread})" if values else "-")
        lines.append(f"| {strategy} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Pre-train, fine-tune, print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    output: Path = arguments.output
    output.mkdir(parents=True, exist_ok=True)
    model = pretrain(output)
    dataset = load_dataset(arguments.dataset)
    rows = measure(dataset, model, output / "runs", output / "results.jsonl")
    starts = {row["start"] for row in rows if row["start"] is not None}
    print(f"\nthe pre-trained model itself, on the held-out patients: {sorted(starts)}")
    for name in ("mean", "fluid"):
        print(f"\n{name} Dice\n\n{format_table(rows, name)}")


if __name__ == "__main__":
    main()

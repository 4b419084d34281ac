"""What each part of the simulator is worth on real scans.

Run ``python -m benchmarks.ablation DATASET --patients S03 ... --output DIR``. Small, short versions
of the starter's training: one without each part, and one with all of them, with the same number of
eyes and steps. Each is scored zero-shot on the patients that are named. Seeds change the eyes and
the training. Results are appended to DIR/results.jsonl; what is there is not run again, so that
several of these programs may share the work (``--share 1/2``, ``--share 2/2``).
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

from benchmarks.zero_shot import score, take_patients
from napari_retseg.config import PredictConfig, parse_size
from napari_retseg.dataset import Dataset, load_dataset
from napari_retseg.infer.predict import load_predictor
from napari_retseg.simulate import Part, SimulatorConfig
from napari_retseg.starter.training import COARSE, train_stage

ALL = "all of it"


def run(part: str, seed: int, real: Dataset, options: argparse.Namespace) -> dict[str, Any]:
    """Simulate, train and score once."""
    parts = [one for one in get_args(Part) if one == part]
    config = SimulatorConfig().without(*parts)
    training = COARSE.training.model_copy(
        update={"iterations": options.iterations, "score_every": options.iterations, "seed": seed}
    )
    work: Path = options.output / f"{part.replace(' ', '-')}-{seed}"
    shutil.rmtree(work, ignore_errors=True)
    depth, width = parse_size(options.size) or COARSE.size
    stage = replace(
        COARSE,
        size=(depth, width),
        simulator=config,
        eyes=options.eyes,
        seed=seed,
        training=training,
    )
    model = train_stage(stage, work, parts=1)
    row = score(load_predictor(model, PredictConfig()), real)
    shutil.rmtree(work)
    return {"without": part, "seed": seed, **row}


def format_table(rows: list[dict[str, Any]]) -> str:
    """Mean, lowest and highest of the seeds for each part that is left out."""
    names = [name for name in rows[0] if name not in ("without", "seed", "n_bscans")]
    lines = ["| without | seeds | " + " | ".join(names) + " |", "|---" * (len(names) + 2) + "|"]
    for part in dict.fromkeys(row["without"] for row in rows):
        own = [row for row in rows if row["without"] == part]
        cells = []
        for name in names:
            values = [row[name] for row in own]
            cells.append(f"{statistics.mean(values):.3f} ({min(values):.3f}-{max(values):.3f})")
        lines.append(f"| {part} | {len(own)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Train what is missing and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--patients", nargs="+", required=True, help="to score on")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--eyes", type=int, default=1000)
    parser.add_argument("--iterations", type=int, default=1500)
    parser.add_argument("--size", default="192x160", help="of the network's input")
    parser.add_argument("--share", default="1/1", help="which part of the runs, as in 2/3")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    real = take_patients(load_dataset(options.dataset), options.patients)
    results = options.output / "results.jsonl"
    own, shares = map(int, options.share.split("/"))
    wanted = list(product(options.seeds, (ALL, *get_args(Part))))
    for number, (seed, part) in enumerate(wanted):
        if number % shares == own - 1 and (part, seed) not in {
            (row["without"], row["seed"]) for row in read_rows(results)
        }:
            with results.open("a") as stream:
                stream.write(json.dumps(run(part, seed, real, options)) + "\n")
    print(format_table(read_rows(results)))


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Read the results that there are."""
    return [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []


if __name__ == "__main__":
    main()

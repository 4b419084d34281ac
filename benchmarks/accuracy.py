"""Accuracy of a training with the defaults, over seeds: every class, best and last.

Run ``python benchmarks/accuracy.py DATASET --output DIR [--seeds 0 1 2] [options of train]``.
Each seed is one ``napari-retseg train`` process; the table is made from what the runs wrote.
``best`` is the iteration that scored best on the held-out scans (so slightly optimistic),
``last`` is the end of the schedule, chosen by nothing.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any


def train(dataset: Path, output: Path, seed: int, options: list[str]) -> float:
    """Train with one seed; return the seconds it took."""
    began = time.perf_counter()
    command = [str(Path(sys.executable).with_name("napari-retseg")), "train", str(dataset)]
    command += ["--output", str(output), "--seed", str(seed), *options]
    subprocess.run(command, check=True)
    return time.perf_counter() - began


def read_result(output: Path) -> dict[str, Any]:
    """Read the last event of a run: best and last scores."""
    last = (output / "events.jsonl").read_text(encoding="utf-8").splitlines()[-1]
    result: dict[str, Any] = json.loads(last)["result"]
    return result


def format_markdown(results: list[dict[str, Any]], kind: str) -> str:
    """Make a table with one row for each class: each seed, mean and spread of the Dice."""
    names = [*results[0][kind]["classes"], "mean foreground"]

    def dice(result: dict[str, Any], name: str) -> float:
        scores = result[kind]
        row = scores["mean_foreground_dice"] if name == names[-1] else scores["classes"][name]
        return float(row["dice"] if isinstance(row, dict) else row)

    lines = [
        f"| {kind} | " + " | ".join(f"seed {r['seed']}" for r in results) + " | mean | range |"
    ]
    lines.append("|---" * (len(results) + 3) + "|")
    for name in names:
        values = [dice(result, name) for result in results]
        cells = [f"{v:.3f}" for v in (*values, statistics.mean(values))]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {max(values) - min(values):.3f} |")
    return "\n".join(lines)


def main() -> None:
    """Train with each seed and print the tables."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments, options = parser.parse_known_args()
    results = []
    for seed in arguments.seeds:
        output = arguments.output / f"seed{seed}"
        seconds = train(arguments.dataset, output, seed, options)
        results.append({**read_result(output), "seed": seed, "seconds": seconds})
    for kind in ("best", "last"):
        print(format_markdown(results, kind), "\n")
    minutes = ", ".join(f"{r['seconds'] / 60:.1f}" for r in results)
    print(f"minutes: {minutes}; best iterations: {[r['best_iteration'] for r in results]}")


if __name__ == "__main__":
    main()

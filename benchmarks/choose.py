"""Compare options on a training patient, so that nothing is chosen on the held-out ones.

Run ``python benchmarks/choose.py DATASET --patient S06 --output DIR --try '' 'resize=320x384'``.
The pinned held-out patients are left out altogether; the network learns from the other training
patients and is scored on the one that is named. Each text is one training: fields of TrainConfig
as ``name=value``, apart by spaces. Results are appended to DIR/results.jsonl, and what is there
already is not run again.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import time
from pathlib import Path
from typing import Any

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import Dataset, load_dataset
from napari_retseg.events import Finished, StepDone
from napari_retseg.learn.train import fine_tune


def hold_out(dataset: Dataset, patient: str) -> Dataset:
    """Keep the training patients only, and hold out one of them."""
    cases = tuple(
        case.model_copy(update={"split": "val" if case.group == patient else "train"})
        for case in dataset.of_split("train")
    )
    if patient not in {case.group for case in cases}:
        raise SystemExit(f"{patient} is not among the training patients")
    return dataset.model_copy(update={"cases": cases})


def parse(text: str, seed: int) -> TrainConfig:
    """Read ``name=value`` pairs."""
    pairs = dict(part.split("=", 1) for part in text.split())
    return TrainConfig.model_validate({**pairs, "seed": seed})


def run(dataset: Dataset, text: str, seed: int, output: Path) -> dict[str, Any]:
    """Train once; return scores of the last iteration, and the time of a step."""
    folder = output / f"run-{time.time_ns()}"
    seconds = []
    result: dict[str, Any] = {}
    for event in fine_tune(dataset, parse(text, seed), output=folder):
        if isinstance(event, StepDone):
            seconds.append(event.seconds)
        elif isinstance(event, Finished):
            result = event.result
    shutil.rmtree(folder)
    last = result["last"]
    return {
        "options": text,
        "seed": seed,
        "mean": last["mean_foreground_dice"],
        "classes": {name: own["dice"] for name, own in last["classes"].items()},
        "iterations": result["iterations"],
        "step": statistics.median(seconds),
    }


def format_table(rows: list[dict[str, Any]]) -> str:
    """Make a table: one row for each training."""
    names = list(rows[0]["classes"])[1:]
    lines = ["| options | seed | iterations | s a step | mean | " + " | ".join(names) + " |"]
    lines.append("|---" * (len(names) + 5) + "|")
    for row in rows:
        dice = [f"{row['classes'][name]:.3f}" for name in names]
        cells = [row["options"] or "defaults", str(row["seed"]), str(row["iterations"])]
        cells += [f"{row['step']:.2f}", f"{row['mean']:.3f}", *dice]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Train with each set of options and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--patient", required=True, help="a training patient to score on")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--try", dest="texts", nargs="+", default=[""], metavar="OPTIONS")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    dataset = hold_out(load_dataset(arguments.dataset), arguments.patient)
    results = arguments.output / "results.jsonl"
    rows = [json.loads(x) for x in results.read_text().splitlines()] if results.is_file() else []
    done = {(row["options"], row["seed"]) for row in rows}
    for text in arguments.texts:
        for seed in arguments.seeds:
            if (text, seed) not in done:
                rows.append(run(dataset, text, seed, arguments.output))
                with results.open("a") as stream:
                    stream.write(json.dumps(rows[-1]) + "\n")
                print(format_table(rows[-1:]), flush=True)
    print(format_table(rows))


if __name__ == "__main__":
    main()

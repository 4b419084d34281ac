"""Compare options on training patients, so that nothing is chosen on the held-out ones.

Run ``python benchmarks/choose.py DATASET --patients S03 S06 --output DIR --try 'resize=320x384'``.
The pinned held-out patients are left out altogether; the network learns from the other training
patients and is scored on those that are named. Each text is one training: fields of TrainConfig
as ``name=value``, apart by spaces. ``--from starter`` fine-tunes a model, ``--cases 11`` trains on
so many B-scans, of as few patients as hold them, or dealt over all (``--spread``). Results are
appended to DIR/results.jsonl, and what is there already is not run again. ``--keep`` leaves the
runs' folders, to look at what they predict.
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
from napari_retseg.models import find_model
from napari_retseg.study.run_split import take_size


def hold_out(dataset: Dataset, patients: list[str]) -> Dataset:
    """Keep the training patients only, and hold out some of them."""
    cases = tuple(
        case.model_copy(update={"split": "val" if case.group in patients else "train"})
        for case in dataset.of_split("train")
    )
    unknown = set(patients) - {case.group for case in cases}
    if unknown:
        raise SystemExit(f"not among the training patients: {', '.join(sorted(unknown))}")
    return dataset.model_copy(update={"cases": cases})


def parse(text: str, seed: int) -> TrainConfig:
    """Read ``name=value`` pairs."""
    pairs = dict(part.split("=", 1) for part in text.split())
    return TrainConfig.model_validate({**pairs, "seed": seed})


def run(dataset: Dataset, text: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """Train once; return scores of the last iteration, and the time of a step."""
    output: Path = options.output
    start = find_model(options.start) if options.start else None
    taken = take_size(dataset, options.cases, by="case", seed=seed, spread=options.spread)
    if taken is None:
        raise SystemExit(f"there are no {options.cases} B-scans to train on")
    folder = output / f"run-{time.time_ns()}"
    seconds = []
    result: dict[str, Any] = {}
    for event in fine_tune(taken, parse(text, seed), output=folder, start=start):
        if isinstance(event, StepDone):
            seconds.append(event.seconds)
        elif isinstance(event, Finished):
            result = event.result
    if not options.keep:
        shutil.rmtree(folder)
    last = result["last"]
    return {
        "options": text,
        "seed": seed,
        "labels": describe_labels(options),
        "mean": last["mean_foreground_dice"],
        "classes": {name: own["dice"] for name, own in last["classes"].items()},
        "iterations": result["iterations"],
        "step": statistics.median(seconds),
        "folder": folder.name if options.keep else "",
    }


def describe_labels(options: argparse.Namespace) -> str:
    """Say what a training starts from and how many B-scans it sees."""
    words = [options.start or "new weights", f"{options.cases or 'all'} B-scans"]
    return ", ".join([*words, *["dealt"] * options.spread])


def format_table(rows: list[dict[str, Any]]) -> str:
    """Make a table: one row for each training."""
    names = list(rows[0]["classes"])[1:]
    head = ["options", "labels", "seed", "iterations", "s a step", "mean", *names]
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in rows:
        dice = [f"{row['classes'][name]:.3f}" for name in names]
        cells = [row["options"] or "defaults", row["labels"], str(row["seed"])]
        cells.append(str(row["iterations"]))
        cells += [f"{row['step']:.2f}", f"{row['mean']:.3f}", *dice]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def main() -> None:
    """Train with each set of options and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--patients", nargs="+", required=True, help="to score on")
    parser.add_argument("--from", dest="start", default="", help="a model; without, new weights")
    parser.add_argument("--cases", type=int, default=0, help="B-scans to train on; 0: all")
    parser.add_argument("--spread", action="store_true", help="deal them over all patients")
    parser.add_argument("--keep", action="store_true", help="leave the folders of the runs")
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--try", dest="texts", nargs="+", default=[""], metavar="OPTIONS")
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    dataset = hold_out(load_dataset(arguments.dataset), arguments.patients)
    results = arguments.output / "results.jsonl"
    rows = [json.loads(x) for x in results.read_text().splitlines()] if results.is_file() else []
    labels = describe_labels(arguments)
    done = {(row["options"], row["seed"], row["labels"]) for row in rows}
    for text in arguments.texts:
        for seed in arguments.seeds:
            if (text, seed, labels) not in done:
                rows.append(run(dataset, text, seed, arguments))
                with results.open("a") as stream:
                    stream.write(json.dumps(rows[-1]) + "\n")
                print(format_table(rows[-1:]), flush=True)
    print(format_table(rows))


if __name__ == "__main__":
    main()

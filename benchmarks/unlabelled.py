"""What unlabelled B-scans bring beside few labelled ones, and what simulated rehearsal keeps.

Run ``python -m benchmarks.unlabelled DATASET --output DIR [--sizes 1 3 5 11] [--seeds 0 1 2]``.
Of the training patients, so many B-scans keep their labels, spread over the patients as in the
study ``label-efficiency``; the others count as unlabelled. One training gives both scores on the
held-out patients: after the labelled B-scans, and after the unlabelled ones. No score is chosen.
Trainings that ended are not done again, and one that was stopped goes on.
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path
from typing import Any

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import Dataset, load_dataset
from napari_retseg.events import Finished, Scored, StepDone
from napari_retseg.learn.train import fine_tune
from napari_retseg.models import find_model
from napari_retseg.runs.eventlog import read_events
from napari_retseg.runs.paths import RunPaths
from napari_retseg.study.run_split import take_size

#: One score when the labelled B-scans are done, one at the end.
CONFIG = TrainConfig(score_every=1_000_000)


def keep_labels(dataset: Dataset, size: int, seed: int) -> Dataset:
    """Keep the labels of `size` training B-scans; the others stay without theirs."""
    taken = take_size(dataset, size, by="case", seed=seed, spread=True)
    if taken is None:
        raise SystemExit(f"there are no {size} training B-scans")
    kept = {case.image for case in taken.cases}
    cases = tuple(
        case if case.image in kept else case.model_copy(update={"label": None})
        for case in dataset.cases
    )
    return dataset.model_copy(update={"cases": cases})


def train(dataset: Dataset, run: Path, config: TrainConfig) -> None:
    """Train, or go on, or do nothing where it is done."""
    if _is_done(run):
        return
    resume = RunPaths(run).has_checkpoint
    start = None if resume else find_model("starter")
    for event in fine_tune(dataset, config, output=run, start=start, resume=resume):
        if isinstance(event, StepDone) and event.iteration % 20 == 0:
            print(f"{run.name}: {event.iteration}, loss {event.loss:.3f}", flush=True)


def _is_done(run: Path) -> bool:
    return RunPaths(run).events.is_file() and isinstance(read_events(run)[-1], Finished)


def read_run(run: Path) -> dict[str, Any]:
    """Scores after the labelled B-scans and at the end, with seconds, and those elsewhere."""
    events = read_events(run)
    scored = [event for event in events if isinstance(event, Scored) and event.iteration]
    steps = [event for event in events if isinstance(event, StepDone)]
    first, last = scored[0], scored[-1]
    finished = events[-1]
    elsewhere = finished.result.get("elsewhere") if isinstance(finished, Finished) else None
    return {
        "without": first.scores,
        "with": last.scores,
        "seconds without": sum(s.seconds for s in steps if s.iteration <= first.iteration),
        "seconds with": sum(s.seconds for s in steps),
        "elsewhere": elsewhere or {},
    }


def format_rows(runs: dict[int, list[dict[str, Any]]]) -> str:
    """Make a table with a row for each number of labelled B-scans: means over the seeds."""
    lines = [
        "| labelled B-scans | seeds | mean Dice without | with | fluid without | with | time |",
        "|---" * 7 + "|",
    ]
    for size, found in runs.items():
        cells = [
            _mean(one[part]["mean_foreground_dice"] for one in found)
            for part in ("without", "with")
        ]
        cells += [
            _mean(one[part]["classes"]["fluid"]["dice"] for one in found)
            for part in ("without", "with")
        ]
        time = statistics.mean(one["seconds with"] / one["seconds without"] for one in found)
        lines.append(f"| {size} | {len(found)} | {' | '.join(cells)} | x {time:.2f} |")
    return "\n".join(lines)


def _mean(values: Any) -> str:
    there = [value for value in values if value is not None]
    return f"{statistics.mean(there):.3f}" if there else "-"


def main() -> None:
    """Train what is missing, and print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset", type=Path)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--sizes", nargs="+", type=int, default=[1, 3, 5, 11])
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--rehearse-simulated", default="auto")
    arguments = parser.parse_args()
    dataset = load_dataset(arguments.dataset)
    runs: dict[int, list[dict[str, Any]]] = {}
    for size in arguments.sizes:
        for seed in arguments.seeds:
            values = {"seed": seed, "rehearse_simulated": arguments.rehearse_simulated}
            config = TrainConfig.model_validate({**CONFIG.model_dump(), **values})
            run = arguments.output / f"{size}-{seed}"
            train(keep_labels(dataset, size, seed), run, config)
            runs.setdefault(size, []).append(read_run(run))
    print(format_rows(runs))


if __name__ == "__main__":
    main()

"""One of the other processes of a training: ``python -m napari_retseg.learn.peer``.

It takes the same steps as the first one, each when it is told to, and writes nothing. It begins as
one that resumes the run, from the folder.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import Dataset
from napari_retseg.errors import JobError
from napari_retseg.failures import explain
from napari_retseg.headless import declare_headless
from napari_retseg.learn.batches import Batches
from napari_retseg.learn.checkpoint import load_checkpoint
from napari_retseg.learn.exchange import LOST, Exchange, GroupExchange
from napari_retseg.learn.peers import REASON, read_line
from napari_retseg.learn.setup import Setup, prepare
from napari_retseg.learn.state import TrainingState
from napari_retseg.learn.step import take_step
from napari_retseg.learn.train import build_run_loss, repeating_exactly
from napari_retseg.nets.bundle import load_model
from napari_retseg.nets.device import use_threads
from napari_retseg.runs.paths import RunPaths
from napari_retseg.runs.record import read_run_model


def main() -> None:
    """Take steps until there is nothing more to read."""
    declare_headless()
    about: Any = read_line(sys.stdin)
    config = TrainConfig.model_validate(about["config"])
    if config.device == "cuda":
        torch.cuda.set_device(about["rank"])
    else:
        use_threads(max(1, torch.get_num_threads() // config.devices))
    run = RunPaths(Path(about["run"]))
    setup = _prepare(Dataset.model_validate(about["dataset"]), config, run)
    state = TrainingState(setup)
    state.restore(load_checkpoint(run.checkpoint), run.checkpoint)
    batches = Batches(setup)
    with repeating_exactly(enabled=config.deterministic), closing(batches):
        for _ in batches.load():
            pass
        loss = build_run_loss(setup, batches)
        print("ready", flush=True)
        parent = os.getppid()
        exchange = GroupExchange(
            Path(about["store"]),
            rank=about["rank"],
            size=config.devices,
            device=setup.compute.device,
            look=lambda: _look(parent),
        )
        with closing(exchange):
            for step in _read_steps():
                _take(step, state, batches, loss, exchange)


def _prepare(dataset: Dataset, config: TrainConfig, run: RunPaths) -> Setup:
    setup = prepare(dataset, config, start=None, resumed=read_run_model(run.path))
    has_start = run.start_model.is_dir()
    return replace(setup, start=load_model(run.start_model)) if has_start else setup


def _read_steps() -> Iterator[Any]:
    while (step := read_line(sys.stdin)) is not None:
        yield step


def _take(
    step: Any, state: TrainingState, batches: Batches, loss: torch.nn.Module, exchange: Exchange
) -> None:
    state.share_of_start = step["share"]
    iteration, position = step["iteration"], step["lesson"]
    images, labels = batches.draw(iteration)
    lesson = None if position is None else batches.lessons.draw(iteration, position)
    take_step(state, loss, images, labels, rate=step["rate"], lesson=lesson, exchange=exchange)


def _look(parent: int) -> None:
    if os.getppid() != parent:
        raise JobError(LOST)


if __name__ == "__main__":
    try:
        main()
    except Exception as error:  # noqa: BLE001 - the first process tells the user
        print(f"{REASON}{explain(error)}", file=sys.stderr, flush=True)
        sys.exit(1)

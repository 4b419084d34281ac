"""One training in several processes: the weights of one process, and an end that can be resumed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
import torch

from napari_retseg.config import TrainConfig
from napari_retseg.dataset import load_dataset
from napari_retseg.errors import JobError, UsageError
from napari_retseg.events import Event, StepDone
from napari_retseg.learn.checkpoint import load_checkpoint
from napari_retseg.learn.train import fine_tune

CONFIG = TrainConfig(
    iterations=4,
    batch_size=2,
    accumulate=2,
    crop="32x32",
    checkpoint_seconds=0,
    device="cpu",
    precision="fp32",
    optimizer="sgd",
    ema=0.5,
)
SHARED = CONFIG.model_copy(update={"devices": 2})


def train(
    dataset: Path, output: Path, config: TrainConfig, *, resume: bool = False, start: Path
) -> list[Event]:
    given = None if resume else start
    data = load_dataset(dataset)
    return list(fine_tune(data, config, output=output, start=given, resume=resume))


def find_others() -> list[psutil.Process]:
    """The other processes of a training."""
    return [
        one
        for one in psutil.Process().children()
        if one.is_running() and "napari_retseg.learn.peer" in one.cmdline()
    ]


def kill_other_after(iteration: int, events: Iterator[Event]) -> None:
    for event in events:
        if isinstance(event, StepDone) and event.iteration == iteration:
            (other,) = find_others()
            other.kill()


@pytest.mark.slow  # a second process that learns, too, is what it is about
def test_two_processes_train_what_one_does_which_goes_on_where_one_was_killed(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    train(tiny_dataset, tmp_path / "one", CONFIG, start=tiny_bundle)
    events = fine_tune(
        load_dataset(tiny_dataset), SHARED, output=tmp_path / "two", start=tiny_bundle
    )
    with pytest.raises(JobError, match=r"was killed or ran out of memory;.* use --resume"):
        kill_other_after(2, events)
    assert not find_others()
    assert not torch.distributed.is_initialized()
    rest = train(tiny_dataset, tmp_path / "two", CONFIG, resume=True, start=tiny_bundle)
    assert [e.iteration for e in rest if isinstance(e, StepDone)] == [3, 4]
    one, two = (
        load_checkpoint(tmp_path / name / "checkpoints" / "last.pt") for name in ("one", "two")
    )
    for part in ("network", "average"):
        assert any("running_var" in name for name in one[part])
        for name, value in one[part].items():
            torch.testing.assert_close(two[part][name], value, rtol=1e-5, atol=1e-6, msg=name)
    assert two["history"] == pytest.approx(one["history"], abs=1e-3)


def test_devices_that_share_no_whole_batches_are_refused(
    tiny_dataset: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    config = CONFIG.model_copy(update={"devices": 3})
    with pytest.raises(UsageError, match="--accumulate must be a multiple of 3, not 2"):
        train(tiny_dataset, tmp_path / "run", config, start=tiny_bundle)
    assert not (tmp_path / "run").exists()

"""Samples as a training would see them, to look at before it starts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE
from napari_retseg.config import TrainConfig
from napari_retseg.dataset import Dataset, pin_split
from napari_retseg.events import Cancel, CancelToken, Event, Finished, SamplesDrawn
from napari_retseg.learn.batches import Batches
from napari_retseg.learn.landmarks import learn_landmarks
from napari_retseg.learn.setup import prepare

#: Shares of the grey values that are black and white in the pictures.
_BLACK, _WHITE = 0.5, 99.5


def draw_samples(
    dataset: Dataset,
    config: TrainConfig,
    cancel: Cancel | None = None,
    *,
    start: Path | None = None,
    n: int = 8,
) -> Iterator[Event]:
    """Draw training samples, cropped and changed at random as the configuration says.

    Parameters
    ----------
    config
        Another `seed` draws others.
    start
        The model that the training would start from: its input is theirs.

    Yields
    ------
    Event
        :class:`~napari_retseg.events.Progress` while scans are read,
        :class:`~napari_retseg.events.SamplesDrawn`, and
        :class:`~napari_retseg.events.Finished`. Nothing is written.

    Raises
    ------
    RetsegError
        Where such a training could not start, either.
    """
    cancel = cancel or CancelToken()
    # pinned here, so that nothing is left to be pinned on disk
    setup = prepare(pin_split(dataset), config, start=start)
    setup = yield from learn_landmarks(setup, cancel)
    if cancel.is_cancelled():
        yield Finished(cancelled=True)
        return
    batches = Batches(setup)
    for progress in batches.load():
        yield progress
        if cancel.is_cancelled():
            yield Finished(cancelled=True)
            return
    images: list[torch.Tensor] = []
    labels: list[torch.Tensor] = []
    iteration = 0
    while sum(map(len, images)) < n:
        drawn, their_labels = batches.draw(iteration)
        images.append(drawn.cpu())
        labels.append(their_labels.cpu())
        iteration += 1
    grey = to_grey(_middle(torch.cat(images)[:n], axes=4))
    indices = _middle(torch.cat(labels)[:n, None], axes=4).astype(np.uint8)
    values = np.full(256, IGNORE, dtype=np.uint8)
    values[: len(setup.info.classes)] = setup.info.classes.values
    yield SamplesDrawn(grey, values[indices])
    yield Finished(result={"samples": n})


def _middle(batch: torch.Tensor, *, axes: int) -> NDArray[np.float32]:
    """Take the middle channel, and of volumes the middle slice: ``(n, depth, width)``."""
    planes = batch[:, batch.shape[1] // 2]
    if batch.ndim > axes:
        planes = planes[:, planes.shape[1] // 2]
    found: NDArray[np.float32] = planes.float().numpy()
    return found


def to_grey(images: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Turn network input ``(n, depth, width)`` into 8-bit pictures, all on the same scale."""
    black, white = np.percentile(images, (_BLACK, _WHITE))
    scaled = (images - black) * (255 / max(white - black, 1e-6))
    grey: NDArray[np.uint8] = np.clip(scaled, 0, 255).astype(np.uint8)
    return grey

"""Batches for the training: changed crops of the dataset, of an older one, of simulated eyes."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch

from napari_retseg.classes import IGNORE
from napari_retseg.config import NetworkConfig, TrainConfig, parse_augment, parse_size
from napari_retseg.events import Message, Progress
from napari_retseg.learn.augment import apply_augment, draw_augment
from napari_retseg.learn.eyes import EyePool, choose_kind, count_eyes
from napari_retseg.learn.sampler import CropSampler, SampleSource
from napari_retseg.learn.samples import SampleStore
from napari_retseg.learn.setup import Setup
from napari_retseg.learn.teacher import Lessons, can_teach
from napari_retseg.nets.sizes import sees_whole_input, smallest_sample
from napari_retseg.nets.stride import stride_of

#: Part of a side that a sample may leave out, as windows and other sizes of scans do.
_OVERHANG = 0.25

Batch = tuple[torch.Tensor, torch.Tensor]


class Batches:
    """All that is drawn in a training follows from its seed and the iteration.

    Attributes
    ----------
    store
        Samples of the dataset, once :meth:`load` has read them.
    partial
        Classes of each partial label of the older dataset.
    size
        Depth and width of what is drawn, in 3D also its B-scans; known then, too.
    lessons
        Of B-scans without labels; empty where there are none to learn from.
    """

    def __init__(self, setup: Setup) -> None:
        self._setup = setup
        self._changes = parse_augment(setup.config.augment)
        info, dims = setup.info, setup.info.network.dims
        self.store = SampleStore(setup.dataset, info.preprocess, dims=dims)
        self.size: tuple[int, ...] = ()
        self._older: SampleStore | None = None
        if setup.rehearsal is not None:
            self._older = SampleStore(
                setup.rehearsal, info.preprocess, dims=dims, classes=info.classes
            )
        self.partial = () if self._older is None else self._older.partial
        self._eyes: EyePool | None = None
        self.lessons = Lessons(setup)
        self._samplers: list[tuple[CropSampler, int]] = []

    def close(self) -> None:
        """Draw no more simulated eyes in the background."""
        if self._eyes is not None:
            self._eyes.close()

    def load(self) -> Iterator[Progress | Message]:
        """Read all training scans, once.

        Raises
        ------
        InputError
            Where a file cannot be read.
        """
        config = self._setup.config
        yield from self.store.load()
        network = self._setup.info.network
        size = self._setup.info.preprocess.trained_size or parse_size(config.crop)
        own = _sampler(self.store, config, network, crop=size)
        total = config.batch_size * config.accumulate
        older = 0
        if self._older is not None:
            yield from self._older.load()
            older = round(config.rehearse_share * total)
            sampler = _sampler(self._older, config, network, crop=own.size)
            self._samplers.append((sampler, older))
        self._samplers.insert(0, (own, total - older))
        self.size = own.size
        kind = choose_kind(self._setup.info.classes) if self._setup.eye_share else None
        if kind is not None:
            self._eyes = EyePool(kind, self._setup.info.preprocess, seed=config.seed)
            sampler = _sampler(self._eyes, config, network, crop=own.size)
            self._samplers.append((sampler, count_eyes(self._setup.eye_share, total)))
        if can_teach(self._setup):
            yield from self.lessons.load(self.store, own.size)

    def draw(self, iteration: int) -> Batch:
        """Draw the batch of a step, on the compute device: changed images, and labels."""
        config, device = self._setup.config, self._setup.compute.device
        rng = np.random.default_rng([config.seed, iteration])
        drawn = [
            sampler.draw(n, rng, first=iteration * n) for sampler, n in self._samplers if n > 0
        ]
        images = torch.cat([images for images, _ in drawn]).to(device)
        labels = torch.cat([labels for _, labels in drawn]).to(device)
        draw = draw_augment(self._changes, len(images), rng, dims=labels.ndim - 1)
        return _keep_annotated((images, labels), apply_augment(images, labels, draw))


def _sampler(
    store: SampleSource,
    config: TrainConfig,
    network: NetworkConfig,
    *,
    crop: tuple[int, ...] | None,
) -> CropSampler:
    return CropSampler(
        store,
        crop=crop,
        stride=stride_of(network),
        smallest=smallest_sample(network),
        class_share=config.class_share,
        seed=config.seed,
        cap=config.crop_cap,
        overhang=_OVERHANG if sees_whole_input(network) else 0.0,
    )


def _keep_annotated(drawn: Batch, changed: Batch) -> Batch:
    """Take samples as drawn where the changes moved every annotated pixel out of view."""
    lost = ~(changed[1] != IGNORE).flatten(1).any(dim=1)
    if not lost.any():
        return changed
    for new, old in zip(changed, drawn, strict=True):
        new[lost] = old[lost]
    return changed

"""Learning from B-scans that nobody labelled: the averaged network teaches the one in training.

The teacher labels a weakly changed B-scan; the network learns these labels, where the teacher is
sure of them, on the same B-scan under a strong change of its grey values (mean teacher: Tarvainen
and Valpola, NeurIPS 2017; weak and strong changes: Sohn et al., NeurIPS 2020).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch

from napari_retseg.classes import IGNORE
from napari_retseg.config import AugmentConfig, TrainConfig, parse_augment
from napari_retseg.events import Message, Progress
from napari_retseg.learn.geometry import draw_geometry, move
from napari_retseg.learn.intensity import change_grey, draw_grey
from napari_retseg.learn.sampler import CropSampler
from napari_retseg.learn.samples import SampleStore
from napari_retseg.learn.setup import Setup
from napari_retseg.learn.unlabelled import UnlabelledStore
from napari_retseg.nets.device import Compute
from napari_retseg.nets.sizes import smallest_sample
from napari_retseg.nets.stride import stride_of

#: A pixel is learned where the teacher's probability of its class is at least this.
SURE = 0.9
#: Samples without labels in a step, as a fraction of the batch.
SHARE = 0.5
#: What they weigh against the labelled ones, at most; and the share of the lessons in which the
#: weight rises to it.
WEIGHT, RISE = 1.0, 0.3
#: Learning rate of the lessons, as a fraction of the training's.
LESSON_RATE = 0.3
#: The strong change, on top of the geometry of the run's own augmentation.
STRONG = AugmentConfig(
    flip=0,
    scale=0,
    shift=0,
    shear=0,
    gamma=0.5,
    contrast=0.3,
    brightness=0.15,
    speckle=0.15,
    blur=1.5,
    vessel_shadow=0.3,
    low_signal=0.2,
    cutout=0.5,
)


@dataclass(frozen=True, slots=True)
class Lesson:
    """A batch without labels.

    Attributes
    ----------
    weak, strong
        The same samples, ``(n, channel, depth, width)``, float32: what the teacher sees, and the
        network in training.
    outside
        ``(n, depth, width)``, int64: 255 where a pixel is not of the B-scan, else 0.
    weight
        Of its loss.
    """

    weak: torch.Tensor
    strong: torch.Tensor
    outside: torch.Tensor
    weight: float

    def __len__(self) -> int:
        return len(self.weak)


class Lessons:
    """Draws lessons; which ones follows from the training's seed and the iteration."""

    def __init__(self, setup: Setup) -> None:
        info = setup.info
        self._setup = setup
        self._weak = parse_augment(setup.config.augment)
        self._store = UnlabelledStore(
            setup.dataset,
            info.preprocess,
            channels=info.network.in_channels,
            seed=setup.config.seed,
        )
        self._sampler: CropSampler | None = None

    def __len__(self) -> int:
        return len(self._store)

    def load(self, labelled: SampleStore, size: tuple[int, ...]) -> Iterator[Progress | Message]:
        """Read the B-scans; `size` is that of the samples."""
        yield from self._store.load(labelled.lengths)
        network = self._setup.info.network
        self._sampler = CropSampler(
            self._store,
            crop=size,
            stride=stride_of(network),
            smallest=smallest_sample(network),
            class_share=0.0,
            seed=self._setup.config.seed,
        )

    def draw(self, iteration: int, position: float) -> Lesson:
        """Draw the lesson of a step, on the compute device.

        Parameters
        ----------
        position
            Share of the lessons that is done, 0 to 1.

        Raises
        ------
        RuntimeError
            Before :meth:`load`.
        """
        if self._sampler is None:
            raise RuntimeError("load comes first")
        config, device = self._setup.config, self._setup.compute.device
        rng = np.random.default_rng([config.seed, iteration, 2])
        n = count_samples(config)
        images, outside = self._sampler.draw(n, rng, first=iteration * n)
        geometry = draw_geometry(self._weak, n, rng, dims=2)
        weak, outside = move(images.to(device), outside.to(device), geometry)
        strong = change_grey(weak, draw_grey(STRONG, n, rng))
        return Lesson(weak, strong, outside, weight=WEIGHT * _rise(position))


def can_teach(setup: Setup) -> bool:
    """Whether a training may learn from B-scans without labels: of 2D networks, in iterations."""
    config = setup.config
    return config.unlabelled == "auto" and not config.minutes and setup.info.network.dims == 2


def count_samples(config: TrainConfig) -> int:
    """Count the samples of a lesson."""
    return max(1, round(SHARE * config.batch_size * config.accumulate))


@torch.no_grad()
def label_lesson(teacher: torch.nn.Module, compute: Compute, lesson: Lesson) -> torch.Tensor:
    """Let the teacher label a lesson.

    Returns
    -------
    torch.Tensor
        Class indices ``(n, depth, width)``, int64; 255 where the teacher is not sure.
    """
    teacher.eval()
    with compute.autocast():
        output = teacher(compute.arrange(lesson.weak))
    logits = output[0] if isinstance(output, tuple) else output
    sureness, labels = logits.float().softmax(dim=1).max(dim=1)
    unsure: torch.Tensor = (sureness < SURE) | (lesson.outside == IGNORE)
    taught: torch.Tensor = labels.masked_fill(unsure, IGNORE)
    return taught


def take_part(lesson: Lesson, part: slice) -> Lesson:
    """Take some of the samples."""
    return replace(
        lesson, weak=lesson.weak[part], strong=lesson.strong[part], outside=lesson.outside[part]
    )


def _rise(position: float) -> float:
    """From 0 to 1 along a Gaussian, as in Laine and Aila (ICLR 2017)."""
    return math.exp(-5 * (1 - min(position / RISE, 1.0)) ** 2)

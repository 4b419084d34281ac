"""Simulated eyes that a training draws for itself: rehearsed, and scored before and after.

They are drawn in a thread of their own while the training goes on. Which ones follows from a
seed, so a training that is resumed draws the same ones again.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.config import PreprocessConfig, TrainConfig
from napari_retseg.dataset import Dataset
from napari_retseg.errors import UsageError
from napari_retseg.layers import translate_classes
from napari_retseg.learn.sampler import shuffle
from napari_retseg.learn.samples import Sample, make_sample
from napari_retseg.models import ModelInfo
from napari_retseg.nets.scaninput import ScanInput
from napari_retseg.scan import OctScan
from napari_retseg.simulate import LABEL_SETS, SimulatorConfig, draw_bscan

#: Eyes that are rehearsed, again and again; one B-scan of each.
REHEARSED = 48
#: Eyes that are scored before and after every training, and their seed.
SCORED, SCORED_SEED = 24, 9500
#: Seeds of rehearsed eyes are those of the training, and this.
_SEED = 9_600_000
#: So often an eye is drawn again that shows none of a model's classes.
_ATTEMPTS = 100
#: Added to each batch, as a fraction of it, where no number is given.
_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class SimulatedEye:
    """A simulated B-scan, and the class indices of its pixels; 255 where they are not known."""

    scan: OctScan
    labels: NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class EyeKind:
    """How eyes are simulated for a set of classes.

    Attributes
    ----------
    config
        Of the simulator.
    table
        256 class indices by the label value that the simulator draws.
    """

    config: SimulatorConfig
    table: NDArray[np.uint8]

    def draw(self, seed: int, number: int) -> SimulatedEye:
        """Draw eye `number` of a seed."""
        pixels, labels, drawn = draw_bscan(self.config, seed, number)
        scan = OctScan(
            pixels=pixels,
            axes=("depth", "width"),
            spacing_um=(drawn.axial_um, drawn.lateral_um),
            spacing_source="file",
        )
        return SimulatedEye(scan, self.table[labels])


def choose_kind(classes: LabelSet, config: SimulatorConfig | None = None) -> EyeKind | None:
    """Choose how eyes are labelled that are simulated for a model's classes.

    Classes are compared by name and by what a name is made of
    (:func:`napari_retseg.layers.translate_classes`). Where the simulator does not draw all of
    them, what is none of the others is not annotated.

    Parameters
    ----------
    config
        The simulator's ranges; None: all that it knows.

    Returns
    -------
    EyeKind or None
        None where the simulator draws none of the classes.
    """
    config = config or SimulatorConfig()
    best: tuple[int, EyeKind] | None = None
    for name, drawn in LABEL_SETS.items():
        values = np.full(256, IGNORE, np.uint8)
        values[drawn.values] = translate_classes(classes, drawn)[drawn.values]
        found = np.isin([one.value for one in classes.foreground], values)
        if not found.any():
            continue
        if not found.all():
            values[values == 0] = IGNORE
        if best is None or found.sum() > best[0]:
            kind = config.model_copy(update={"label_set": name})
            best = int(found.sum()), EyeKind(kind, classes.to_indices(values))
    return None if best is None else best[1]


def learned_from_simulated(model: ModelInfo | None) -> bool:
    """Whether what a model knows comes from simulated scans, wholly or in part."""
    trained = None if model is None else model.trained_on
    return trained is not None and (trained.simulated or trained.simulated_share > 0)


def share_of_eyes(
    config: TrainConfig, start: ModelInfo | None, dataset: Dataset, info: ModelInfo
) -> float:
    """Find how many simulated B-scans are added to each batch, as a fraction of it.

    Parameters
    ----------
    start
        The starting model; None where all is new.
    info
        The model to be.
    """
    if config.rehearse_simulated != "auto":
        return config.rehearse_simulated
    return _SHARE if can_forget(start, dataset, info) else 0.0


def can_forget(start: ModelInfo | None, dataset: Dataset, info: ModelInfo) -> bool:
    """Whether a model that learned from simulated scans is now trained on others."""
    is_kept = learned_from_simulated(start) and not dataset.simulated
    return is_kept and takes_eyes(info) and choose_kind(info.classes) is not None


def takes_eyes(info: ModelInfo) -> bool:
    """Whether a network takes single B-scans in grey, as the simulator draws them."""
    return (info.network.dims, info.network.in_channels) == (2, 1)


class EyePool:
    """Samples of simulated eyes, drawn in the background in the order of the first pass.

    Parameters
    ----------
    seed
        Of the training: its sampler takes them in the order that follows from it.
    n
        Number of eyes; None: `REHEARSED`.
    """

    def __init__(
        self, kind: EyeKind, preprocess: PreprocessConfig, *, seed: int, n: int | None = None
    ) -> None:
        n = n or REHEARSED
        self._kind, self._preprocess, self._seed = kind, preprocess, _SEED + seed
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="simulator")
        self._n = n
        order = shuffle(n, seed, 0).tolist()
        self._samples: dict[int, Future[Sample]] = {
            number: self._worker.submit(self._make, number) for number in order
        }
        # for a sampler, eyes have no classes to be drawn for, and any size
        self.class_pixels: NDArray[np.int64] = np.zeros((n, 1), np.int64)
        self.largest: tuple[int, ...] = (0, 0)

    def __len__(self) -> int:
        return self._n

    def read(self, number: int) -> Sample:
        """Return a sample; waits for it where it is not drawn yet."""
        return self._samples[number].result()

    def close(self) -> None:
        """Draw no more eyes; waits for the one that is being drawn."""
        self._worker.shutdown(cancel_futures=True)

    def _make(self, number: int) -> Sample:
        """Draw a sample; another one where nothing of the model's classes is to be seen."""
        for attempt in range(_ATTEMPTS):
            eye = self._kind.draw(self._seed, number + attempt * len(self))
            source = ScanInput(eye.scan, self._preprocess)
            sample = make_sample(eye.scan, source, 0, eye.labels, self._preprocess)
            if (sample.labels != IGNORE).any():
                return sample
        raise UsageError(
            f"{_ATTEMPTS} simulated B-scans in a row show none of the model's classes; add "
            "--rehearse-simulated 0"
        )


def draw_scored(classes: LabelSet) -> Iterator[SimulatedEye]:
    """Draw the eyes that every training of these classes is scored on; nothing learns from them.

    Raises
    ------
    ValueError
        Where the simulator draws none of the classes.
    """
    kind = choose_kind(classes)
    if kind is None:
        raise ValueError(f"the simulator draws none of {', '.join(classes.names[1:])}")
    return map(partial(kind.draw, SCORED_SEED), range(SCORED))


def count_eyes(share: float, batch: int) -> int:
    """Count the eyes that are added to a batch of so many samples; one where the share is small."""
    return max(1, round(share * batch)) if share else 0

"""Training samples without labels, for a model that teaches itself."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from napari_retseg.config import PreprocessConfig
from napari_retseg.dataset import Case, Dataset
from napari_retseg.dataset.unlabelled import find_unlabelled, list_with_unlabelled
from napari_retseg.errors import InputError
from napari_retseg.events import Message, Progress
from napari_retseg.learn.samples import Sample, make_sample
from napari_retseg.nets.scaninput import ScanInput
from napari_retseg.scan import OctScan

#: So many B-scans are learned from at most, and so many bytes; few B-scans of many scans rather
#: than many of few.
MOST_BSCANS = 256
MOST_BYTES = 1 << 30


class UnlabelledStore:
    """B-scans that nobody labelled, once :meth:`load` has read them.

    Parameters
    ----------
    channels
        Of the network's input; scans with others are left out.
    seed
        Chooses the B-scans where there are more than are learned from.

    Attributes
    ----------
    class_pixels, largest
        As a sampler wants them: there is nothing to draw for.
    """

    def __init__(
        self, dataset: Dataset, preprocess: PreprocessConfig, *, channels: int, seed: int
    ) -> None:
        self._dataset = dataset
        self._preprocess = preprocess
        self._channels = channels
        self._seed = seed
        self._samples: list[Sample] = []
        self.class_pixels: NDArray[np.int64] = np.zeros((0, 1), np.int64)
        self.largest: tuple[int, ...] = (0, 0)

    def __len__(self) -> int:
        return len(self._samples)

    def read(self, number: int) -> Sample:
        """Return a sample; its labels are 0 throughout, and mean nothing."""
        return self._samples[number]

    def load(self, lengths: Mapping[Path, int]) -> Iterator[Progress | Message]:
        """Read the B-scans; a scan that cannot be read is named and left out.

        Parameters
        ----------
        lengths
            Number of B-scans of the scans that were read already: those that are labelled
            throughout are not read again.
        """
        rng = np.random.default_rng([self._seed, 3])
        cases = [
            case
            for case in list_with_unlabelled(self._dataset)
            if case.image not in lengths or find_unlabelled(case, lengths[case.image])
        ]
        chosen = [cases[number] for number in rng.permutation(len(cases))[:MOST_BSCANS]]
        each = math.ceil(MOST_BSCANS / max(len(chosen), 1))
        room = MOST_BYTES
        for done, case in enumerate(chosen, start=1):
            try:
                samples = self._read(case, each, rng)
            except InputError as error:
                yield Message(f"this unlabelled scan is not used: {error}", "warning")
                continue
            room -= sum(one.image.nbytes + one.labels.nbytes for one in samples)
            if room < 0:
                break
            self._samples += samples
            yield Progress(done, len(chosen), unit="unlabelled scan")
        self.class_pixels = np.zeros((len(self), 1), np.int64)

    def _read(self, case: Case, most: int, rng: np.random.Generator) -> list[Sample]:
        """Read up to `most` B-scans of a scan."""
        scan = case.read_scan()
        source = ScanInput(scan, self._preprocess)
        if source.axis != 0 or source.n_planes != self._channels:
            return []
        free = find_unlabelled(case, source.n_slices)
        taken = sorted(rng.permutation(free)[:most].tolist())
        return [self._make(scan, source, index) for index in taken]

    def _make(self, scan: OctScan, source: ScanInput, index: int) -> Sample:
        nothing = np.zeros(source.slice_shape, np.uint8)
        return make_sample(scan, source, index, nothing, self._preprocess)

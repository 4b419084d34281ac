"""The grey values that nyul normalises to, learnt from the training scans."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import replace

from napari_retseg.events import Cancel, Progress
from napari_retseg.learn.setup import Setup
from napari_retseg.nets.scaninput import LandmarkLearner


def learn_landmarks(setup: Setup, cancel: Cancel) -> Generator[Progress, None, Setup]:
    """Learn the landmarks of nyul where the input is normalised so and has none yet.

    Returns
    -------
    Setup
        With landmarks; as it was where it needs none, has them, or the work was cancelled.

    Raises
    ------
    InputError
        Where a file cannot be read, or no training scan has contrast.
    """
    preprocess = setup.info.preprocess
    if preprocess.normalise != "nyul" or preprocess.landmarks:
        return setup
    learner = LandmarkLearner(preprocess, as_volumes=setup.info.network.dims == 3)
    cases = [case for case in setup.dataset.of_split("train") if case.has_annotation]
    for done, case in enumerate(cases, start=1):
        if cancel.is_cancelled():
            return setup
        learner.add(case.read_scan())
        yield Progress(done, len(cases), unit="training scan")
    learnt = preprocess.model_copy(update={"landmarks": learner.average()})
    return replace(setup, info=setup.info.model_copy(update={"preprocess": learnt}))

"""How far a starter's numbers are off, and how well they repeat, on simulated eyes of its own."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from napari_retseg.classes import RETINA
from napari_retseg.config import PredictConfig
from napari_retseg.errors import InputError
from napari_retseg.infer.calibrate import predict_doubt
from napari_retseg.infer.predict import load_predictor
from napari_retseg.infer.predictor import Predictor
from napari_retseg.layers import translate_classes
from napari_retseg.measures.calibrating import Calibration
from napari_retseg.measures.intervals import Intervals
from napari_retseg.models import read_info, write_intervals, write_retest
from napari_retseg.simulate import SimulatorConfig, draw_parameters, draw_volume
from napari_retseg.simulate.revisit import Eye, Pose, find_registration
from napari_retseg.starter.eyes import PARTS, make_macula_config, make_ring_config
from napari_retseg.visits import Registration, Visit
from napari_retseg.visits.change import measure_changes
from napari_retseg.visits.retest import Retest, Retesting

#: Eyes that it is calibrated on, and their seed: none that it was trained on.
CALIBRATION_EYES, CALIBRATION_SEED = 400, 9100
#: Eyes that are scanned twice, for the repeatability of its numbers.
RETEST_EYES, RETEST_SEED = 200, 9300
#: Two visits differ by up to 5 degrees, 0.3 mm and 1 %; half of it either way.
_TURN_DEG, _SHIFT_UM, _SCALE = 2.5, 150.0, 0.005


def calibrate_starter(
    folder: Path,
    *,
    parts: int = PARTS,
    eyes: int = CALIBRATION_EYES,
    retest_eyes: int = RETEST_EYES,
) -> tuple[Intervals, Retest]:
    """Find how far the starter's numbers are off, on all cores, and keep it in the bundle.

    And how well they repeat.

    Parameters
    ----------
    folder
        Of the bundle.
    parts
        Worked on side by side.
    eyes
        Maculae with nine B-scans; a third as many circles around the disc.
    retest_eyes
        Maculae that are scanned twice.
    """
    info = read_info(folder)
    rings = eyes // 3
    jobs = [
        (config, seed, range(k, count, parts))
        for config, seed, count in (
            (make_macula_config().with_classes(info.classes), CALIBRATION_SEED, eyes),
            (make_ring_config().with_classes(info.classes), CALIBRATION_SEED + 1, rings),
        )
        for k in range(parts)
    ]
    pairs = [(RETEST_SEED, range(k, retest_eyes, parts)) for k in range(parts)]
    calibration, retesting = Calibration(info.classes), Retesting()
    workers = min(parts, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        for part in [pool.submit(collect_errors, folder, *job) for job in jobs]:
            calibration.join(part.result())
        for pair in [pool.submit(scan_again, folder, *job) for job in pairs]:
            retesting.join(pair.result())
    about = f"{eyes + rings} simulated eyes, each of a device of its own"
    found = calibration.finish(weights_id=info.weights_id, data=about)
    repeated = retesting.finish(
        weights_id=info.weights_id, data="simulated scans, each eye of a device of its own"
    )
    write_intervals(folder, found)
    write_retest(folder, repeated)
    return found, repeated


def collect_errors(
    model: Path, config: SimulatorConfig, seed: int, indices: Sequence[int]
) -> Calibration:
    """Collect the errors of a model's numbers on simulated eyes, also those of all fluid."""
    predictor = load_predictor(model, PredictConfig(device="cpu"))
    own = predictor.info.classes
    calibration, coarser = Calibration(own), Calibration(RETINA)
    table = translate_classes(RETINA, own)
    for index in indices:
        volume = draw_volume(config, seed, index)
        scan = volume.scan
        if volume.parameters.gaze.ring:
            scan = replace(scan, scan_pattern="circle")
        labels, is_doubtful = predict_doubt(scan, predictor)
        name, truth = f"{seed}-{index}", volume.labels
        calibration.add(name, labels, truth, scan, is_doubtful)
        coarser.add(name, table[labels], table[truth], scan, is_doubtful)
    calibration.complete(coarser)
    return calibration


def scan_again(model: Path, seed: int, indices: Sequence[int]) -> Retesting:
    """Collect what a model's numbers differ by in simulated eyes that are scanned twice."""
    predictor = load_predictor(model, PredictConfig(device="cpu"))
    retesting = Retesting()
    for index in indices:
        before, after, registration = label_twice(predictor, seed, index)
        try:
            rows = list(measure_changes(before, after, registration))
            known = {row.structure for row in rows}
            merged = _merge_classes(before), _merge_classes(after)
            coarser = measure_changes(*merged, registration)
            retesting.add([*rows, *(row for row in coarser if row.structure not in known)])
        except InputError:  # nothing is labelled that can be measured
            continue
    return retesting


def _merge_classes(visit: Visit) -> Visit:
    """The same in classes with all fluid together, which labels of a workspace may have."""
    table = translate_classes(RETINA, visit.classes)
    return replace(visit, labels=table[visit.labels], classes=RETINA)


def label_twice(predictor: Predictor, seed: int, index: int) -> tuple[Visit, Visit, Registration]:
    """Draw an eye, scan it twice and label both scans; where they lie is known."""
    eye = Eye(draw_parameters(make_macula_config((300.0, 450.0), 13), seed, index))
    rng = np.random.default_rng([seed, index, 5])
    poses = _draw_pose(rng), _draw_pose(rng)
    visits = []
    for number, pose in enumerate(poses, start=1):
        scan = eye.scan(pose, number).scan
        labels, is_doubtful = predict_doubt(scan, predictor)
        visits.append(Visit(f"visit {number}", scan, labels, predictor.info.classes, is_doubtful))
    return visits[0], visits[1], find_registration(*poses)


def _draw_pose(rng: np.random.Generator) -> Pose:
    turn = rng.uniform(-_TURN_DEG, _TURN_DEG)
    across, along = rng.uniform(-_SHIFT_UM, _SHIFT_UM, 2)
    return Pose(turn, (across, along), 1 + rng.uniform(-_SCALE, _SCALE))

"""Train the starter model that ships: ``python -m napari_retseg.starter FOLDER``.

It is calibrated on further eyes, each of a device of its own, and how well its numbers repeat is
measured on others that are scanned twice; with ``--only-calibrate`` nothing else is done.

Everything follows from the seeds and numbers below. The 6000 steps take 0.7 to 0.9 s each on two
cores.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import get_args

import numpy as np

from napari_retseg.classes import RETINA
from napari_retseg.config import NetworkConfig, PredictConfig, PreprocessConfig, TrainConfig
from napari_retseg.dataset import Dataset
from napari_retseg.errors import InputError
from napari_retseg.events import Message, Scored, StepDone
from napari_retseg.infer.calibrate import predict_doubt
from napari_retseg.infer.predict import load_predictor
from napari_retseg.infer.predictor import Predictor
from napari_retseg.learn.train import fine_tune
from napari_retseg.measures.calibrating import Calibration
from napari_retseg.measures.intervals import Intervals
from napari_retseg.models import STARTER, ModelInfo, read_info, write_intervals, write_retest
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.bundle import load_model, save_model
from napari_retseg.runs.paths import RunPaths
from napari_retseg.scoretable import format_table
from napari_retseg.simulate import (
    LABEL_SETS,
    Part,
    SimulatorConfig,
    draw_parameters,
    draw_volume,
    simulate_dataset,
)
from napari_retseg.simulate.revisit import Eye, Pose, find_registration
from napari_retseg.visits import Registration, Visit
from napari_retseg.visits.change import measure_changes
from napari_retseg.visits.retest import Retest, Retesting

ABOUT = (
    "A starting model for OCT B-scans: seven retinal layers and fluid. It was trained on simulated "
    "B-scans of many devices, and tested on real B-scans of a Spectralis only. Check and correct "
    "its labels. It is unreliable where layers are interrupted (macular holes, scars, the optic "
    "nerve head), merges confluent cysts, misses small or faint fluid, and may label vitreous "
    "opacities as retina."
)
#: A U-Net that is small enough to ship (docs/starter.md has the comparison).
NETWORK = NetworkConfig(
    encoder="tu-resnet10t",
    n_classes=len(RETINA),
    options={"encoder_depth": 5, "decoder_channels": [160, 96, 64, 32, 16]},
)
#: Every scan is brought to this, depth and width, so that one network sees whole B-scans of any
#: device; rows are worth more than columns, since layers run along them.
PREPROCESS = PreprocessConfig(size=(320, 256))
#: Simulated eyes, one B-scan each, in parts that are simulated side by side.
PARTS, EYES_PER_PART, HELD_OUT_PER_PART = 4, 1500, 20
#: Eyes that it is calibrated on, and their seed: none that it was trained on.
CALIBRATION_EYES, CALIBRATION_SEED = 400, 9100
#: Eyes that are scanned twice, for the repeatability of its numbers.
RETEST_EYES, RETEST_SEED = 200, 9300
#: Two visits differ by up to 5 degrees, 0.3 mm and 1 %; half of it either way.
_TURN_DEG, _SHIFT_UM, _SCALE = 2.5, 150.0, 0.005
TRAINING = TrainConfig(iterations=6000, batch_size=4, lr=2e-3, ema=0.995, score_every=500)


def train_starter(
    dataset: Dataset,
    folder: Path,
    work: Path,
    training: TrainConfig = TRAINING,
    preprocess: PreprocessConfig = PREPROCESS,
) -> ModelInfo:
    """Train on simulated eyes, and write the bundle in half precision.

    Parameters
    ----------
    dataset
        Of `simulate_eyes`.
    folder
        Where the bundle goes; files of an older one are replaced.
    work
        Gets the run.
    preprocess
        What the network's input is made like.
    """
    blank = ModelInfo(name=STARTER, network=NETWORK, classes=RETINA, preprocess=preprocess)
    save_model(work / "blank", build_seeded(NETWORK, seed=training.seed), blank)
    for event in fine_tune(dataset, training, output=work / "run", start=work / "blank"):
        if isinstance(event, StepDone) and event.iteration % 100 == 0:
            print(f"iteration {event.iteration}: loss {event.loss:.3f}", flush=True)
        elif isinstance(event, Scored):
            print(format_table(event.scores), flush=True)
        elif isinstance(event, Message):
            print(event.text, flush=True)
    model = load_model(RunPaths(work / "run").last_model)
    trained = model.info.trained_on
    if trained is not None:  # keys of simulated eyes are of no use
        trained = trained.model_copy(update={"keys": (), "dataset_key": None})
    update = {"name": STARTER, "parent": None, "about": ABOUT, "trained_on": trained}
    info = model.info.model_copy(update=update)
    return save_model(folder, model.network, info, half=True)


def simulate_eyes(
    folder: Path,
    config: SimulatorConfig,
    *,
    parts: int = PARTS,
    eyes: int = EYES_PER_PART,
    held_out: int = HELD_OUT_PER_PART,
    seed: int = 0,
) -> Dataset:
    """Simulate eyes, one B-scan each, on all cores, as one dataset.

    Parameters
    ----------
    folder
        Gets a folder for each part; made if missing.
    parts, eyes, held_out
        Number of parts; eyes in each, and how many of those are held out.
    seed
        Other eyes for another seed.
    """
    workers = min(parts, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(
                simulate_dataset,
                folder / f"{part}",
                count=eyes,
                seed=seed * parts + part + 1,
                config=config,
                n_val=held_out,
            )
            for part in range(parts)
        ]
        made = [job.result() for job in jobs]
    together = tuple(
        case.model_copy(update={"group": f"{part}-{case.group}"})
        for part, one in enumerate(made)
        for case in one.cases
    )
    return made[0].model_copy(update={"root": folder.resolve(), "cases": together})


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
    named = {"label_set": next(name for name, one in LABEL_SETS.items() if one == info.classes)}
    rings = eyes // 3
    jobs = [
        (config, seed, range(k, count, parts))
        for config, seed, count in (
            (make_macula_config().model_copy(update=named), CALIBRATION_SEED, eyes),
            (make_ring_config().model_copy(update=named), CALIBRATION_SEED + 1, rings),
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
    """Collect the errors of a model's numbers on simulated eyes."""
    predictor = load_predictor(model, PredictConfig(device="cpu"))
    calibration = Calibration(predictor.info.classes)
    for index in indices:
        volume = draw_volume(config, seed, index)
        scan = volume.scan
        if volume.parameters.gaze.ring:
            scan = replace(scan, scan_pattern="circle")
        labels, is_doubtful = predict_doubt(scan, predictor)
        calibration.add(f"{seed}-{index}", labels, volume.labels, scan, is_doubtful)
    return calibration


def scan_again(model: Path, seed: int, indices: Sequence[int]) -> Retesting:
    """Collect what a model's numbers differ by in simulated eyes that are scanned twice."""
    predictor = load_predictor(model, PredictConfig(device="cpu"))
    retesting = Retesting()
    for index in indices:
        before, after, registration = label_twice(predictor, seed, index)
        try:
            retesting.add(measure_changes(before, after, registration))
        except InputError:  # nothing is labelled that can be measured
            continue
    return retesting


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


def make_macula_config(
    between_um: tuple[float, float] = (350.0, 700.0), n_bscans: int = 9
) -> SimulatorConfig:
    """Choose maculae of all devices, with B-scans far apart, so that few cover the ETDRS grid."""
    config = SimulatorConfig()
    apart = {"bscan_um": between_um}
    samplings = tuple(one.model_copy(update=apart) for one in config.samplings)
    return config.model_copy(update={"samplings": samplings, "n_bscans": n_bscans}).with_ranges(
        gaze={"through_fovea": 1.0, "at_disc": 0.0, "ring": 0.0}
    )


def make_ring_config() -> SimulatorConfig:
    """Choose circles around the optic disc, of all devices."""
    return SimulatorConfig().with_ranges(gaze={"through_fovea": 0.0, "at_disc": 0.0, "ring": 1.0})


def main() -> None:
    """Read the folder's name and train."""
    parser = argparse.ArgumentParser(
        prog="python -m napari_retseg.starter", description="Train the starter model again."
    )
    parser.add_argument("folder", type=Path, help="for instance sample_data/starter")
    parser.add_argument(
        "--without",
        nargs="+",
        choices=get_args(Part),
        default=[],
        help="leave this out of the simulation, to see what it is worth",
    )
    parser.add_argument(
        "--only-calibrate", action="store_true", help="keep the model, and calibrate it again"
    )
    parser.add_argument("--parts", type=int, default=PARTS, help="so much of the data")
    parser.add_argument("--iterations", type=int, default=TRAINING.iterations)
    arguments = parser.parse_args()
    if arguments.only_calibrate:
        _calibrate(arguments.folder)
        return
    training = TRAINING.model_copy(update={"iterations": arguments.iterations})
    config = SimulatorConfig().without(*arguments.without)
    work = Path(tempfile.mkdtemp(prefix="retseg-starter-"))
    try:
        dataset = simulate_eyes(work / "data", config, parts=arguments.parts)
        print(train_starter(dataset, arguments.folder, work, training).weights_id)
        _calibrate(arguments.folder)
    finally:
        shutil.rmtree(work)


def _calibrate(folder: Path) -> None:
    for found in calibrate_starter(folder):
        print(found.data)


if __name__ == "__main__":
    main()

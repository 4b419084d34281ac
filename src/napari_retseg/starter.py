"""Train the starter model that ships: ``python -m napari_retseg.starter FOLDER``.

Everything follows from the seeds and numbers below. The 6000 steps take 0.7 to 0.9 s each on two
cores.
"""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import get_args

from napari_retseg.classes import RETINA
from napari_retseg.config import NetworkConfig, PreprocessConfig, TrainConfig
from napari_retseg.dataset import Dataset
from napari_retseg.events import Message, Scored, StepDone
from napari_retseg.learn.train import fine_tune
from napari_retseg.models import STARTER, ModelInfo
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.bundle import load_model, save_model
from napari_retseg.runs.paths import RunPaths
from napari_retseg.scoretable import format_table
from napari_retseg.simulate import Part, SimulatorConfig, simulate_dataset

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
    parser.add_argument("--parts", type=int, default=PARTS, help="so much of the data")
    parser.add_argument("--iterations", type=int, default=TRAINING.iterations)
    arguments = parser.parse_args()
    training = TRAINING.model_copy(update={"iterations": arguments.iterations})
    config = SimulatorConfig().without(*arguments.without)
    work = Path(tempfile.mkdtemp(prefix="retseg-starter-"))
    try:
        dataset = simulate_eyes(work / "data", config, parts=arguments.parts)
        print(train_starter(dataset, arguments.folder, work, training).weights_id)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()

"""Train the starter model that ships: ``python -m napari_retseg.starter FOLDER``.

Everything follows from the seeds below; on two cores it takes some ten minutes.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from napari_retseg.classes import RETINA
from napari_retseg.config import NetworkConfig, PreprocessConfig, TrainConfig
from napari_retseg.dataset import Dataset
from napari_retseg.events import Message, Scored, StepDone
from napari_retseg.learn.train import fine_tune
from napari_retseg.models import STARTER, ModelInfo
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.bundle import load_model, save_model
from napari_retseg.scores import format_table
from napari_retseg.simulate import SimulatorConfig
from napari_retseg.simulate.dataset import simulate_dataset

#: Small enough to ship: 2 million parameters, 4 MB in half precision.
NETWORK = NetworkConfig(
    encoder="tu-resnet10t",
    n_classes=len(RETINA),
    options={"encoder_depth": 4, "decoder_channels": [128, 64, 32, 16]},
)
#: Depth and width of the scans that it is trained on: those of the samples, and Spectralis.
SIZES = ((256, 384), (256, 256), (496, 512), (496, 768))
PATIENTS_PER_SIZE = 16
BSCANS_PER_PATIENT = 3
TRAINING = TrainConfig(
    strategy="scratch",
    resize="none",
    crop="256x256",
    batch_size=6,
    iterations=600,
    score_every=200,
    lr=2e-3,
)


def train_starter(folder: Path, work: Path) -> ModelInfo:
    """Simulate patients of device A, train on them, and write the bundle in half precision.

    Parameters
    ----------
    folder
        Where the bundle goes; files of an older one are replaced.
    work
        Empty folder for the data and the run.
    """
    dataset = simulate_training_data(work / "data")
    blank = ModelInfo(name=STARTER, network=NETWORK, classes=RETINA, preprocess=PreprocessConfig())
    save_model(work / "blank", build_seeded(NETWORK, seed=0), blank)
    for event in fine_tune(dataset, TRAINING, output=work / "run", start=work / "blank"):
        if isinstance(event, StepDone) and event.iteration % 100 == 0:
            print(f"iteration {event.iteration}: loss {event.loss:.3f}", flush=True)
        elif isinstance(event, Scored):
            print(format_table(event.scores), flush=True)
        elif isinstance(event, Message):
            print(event.text, flush=True)
    model = load_model(work / "run" / "model-last")
    info = model.info.model_copy(update={"name": STARTER})
    return save_model(folder, model.network, info, half=True)


def simulate_training_data(folder: Path) -> Dataset:
    """Simulate patients of device A in several sizes, as one data set."""
    parts: list[Dataset] = []
    for number, (depth, width) in enumerate(SIZES):
        config = SimulatorConfig(
            device="A", n_bscans=BSCANS_PER_PATIENT, depth=depth, width=width, bscan_um=300
        )
        name = f"{depth}x{width}"
        part = simulate_dataset(folder / name, count=PATIENTS_PER_SIZE, seed=number, config=config)
        cases = tuple(
            case.model_copy(update={"group": f"{name} {case.group}"}) for case in part.cases
        )
        parts.append(part.model_copy(update={"cases": cases}))
    together = tuple(case for part in parts for case in part.cases)
    return parts[0].model_copy(update={"root": folder.resolve(), "cases": together})


def main() -> None:
    """Read the folder's name and train."""
    parser = argparse.ArgumentParser(
        prog="python -m napari_retseg.starter", description="Train the starter model again."
    )
    parser.add_argument("folder", type=Path, help="for instance sample_data/starter")
    folder = parser.parse_args().folder
    work = Path(tempfile.mkdtemp(prefix="retseg-starter-"))
    try:
        print(train_starter(folder, work).weights_id)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()

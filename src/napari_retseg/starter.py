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
PATIENTS = 40
SIMULATOR = SimulatorConfig(device="A", n_bscans=4, depth=256, width=384)
TRAINING = TrainConfig(
    strategy="scratch", resize="none", iterations=1200, batch_size=4, score_every=200
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
    dataset = simulate_dataset(work / "data", count=PATIENTS, seed=1, config=SIMULATOR)
    blank = ModelInfo(name=STARTER, network=NETWORK, classes=RETINA, preprocess=PreprocessConfig())
    save_model(work / "blank", build_seeded(NETWORK, seed=0), blank)
    for event in fine_tune(dataset, TRAINING, output=work / "run", start=work / "blank"):
        if isinstance(event, StepDone) and event.iteration % 50 == 0:
            print(f"iteration {event.iteration}: loss {event.loss:.3f}", flush=True)
        elif isinstance(event, Scored):
            print(format_table(event.scores), flush=True)
        elif isinstance(event, Message):
            print(event.text, flush=True)
    model = load_model(work / "run" / "model-last")
    info = model.info.model_copy(update={"name": STARTER})
    return save_model(folder, model.network, info, half=True)


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

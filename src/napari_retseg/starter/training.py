"""The stages of a starter's training: each goes on from the weights of the one before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from napari_retseg.classes import RETINA, RETINA_AND_LESIONS, LabelSet
from napari_retseg.config import NetworkConfig, PreprocessConfig, TrainConfig
from napari_retseg.errors import InputError
from napari_retseg.events import Event, Message, Scored, StepDone
from napari_retseg.learn.train import fine_tune
from napari_retseg.models import STARTER, Measurement, ModelInfo
from napari_retseg.nets.build import build_seeded
from napari_retseg.nets.bundle import load_model, save_model
from napari_retseg.plural import count_noun
from napari_retseg.records import read_json
from napari_retseg.runs.paths import RunPaths
from napari_retseg.scoretable import format_table
from napari_retseg.simulate import SimulatorConfig
from napari_retseg.starter.eyes import PARTS, simulate_eyes
from napari_retseg.starter.lesions import ATTRIBUTION, take_outlines

#: A U-Net that is small enough to ship (docs/starter.md has the comparison).
NETWORK = NetworkConfig(
    encoder="tu-resnet10t",
    n_classes=len(RETINA),
    options={"encoder_depth": 5, "decoder_channels": [160, 96, 64, 32, 16]},
)
ABOUT = (
    "A starting model for OCT B-scans: seven retinal layers, what lies below a raised pigment "
    "epithelium (drusen, PED), fluid in the retina and below it. Check and correct its labels. It "
    "merges cysts that touch, misses faint and flat swelling and flat drusen, has no class for "
    "hyperreflective material, and may take a lifted membrane for retina. It is unreliable where "
    "layers are interrupted (macular holes, scars, the optic nerve head)."
)


@dataclass(frozen=True)
class Stage:
    """One part of the training.

    Attributes
    ----------
    size
        Every scan is brought to this, depth and width, so that one network sees whole B-scans of
        any device; rows are worth more than columns, since layers run along them.
    eyes, held_out
        Simulated in each part of the data.
    learns_outlines
        Whether real lesion outlines may be mixed in.
    """

    name: str
    classes: LabelSet
    size: tuple[int, int]
    simulator: SimulatorConfig
    eyes: int
    held_out: int
    seed: int
    training: TrainConfig
    learns_outlines: bool = False


COARSE = Stage(
    name="coarse",
    classes=RETINA,
    size=(320, 256),
    simulator=SimulatorConfig(),
    eyes=1500,
    held_out=20,
    seed=0,
    training=TrainConfig(iterations=6000, batch_size=4, lr=2e-3, ema=0.995, score_every=500),
)
#: Twice the pixels, three more classes, and what the first stage is not shown.
FINE = Stage(
    name="fine",
    classes=RETINA_AND_LESIONS,
    size=(512, 384),
    simulator=SimulatorConfig(label_set="retina and lesions").with_ranges(
        disease={
            "opacities": 0.15,
            "edema": 0.2,
            "bruch_seen": 0.6,
            "drusen": 0.2,
            "subretinal": 0.25,
            "detachment": 0.15,
        },
        artefacts={"marks": 0.12},
    ),
    eyes=1000,
    held_out=15,
    seed=1,
    training=TrainConfig(
        iterations=4000,
        batch_size=4,
        lr=1e-3,
        ema=0.995,
        score_every=1000,
        keep_start="0",
        resize="512x384",
        rehearse_share=0.25,
    ),
    learns_outlines=True,
)
STAGES = (COARSE, FINE)


def train_stage(
    stage: Stage,
    work: Path,
    *,
    start: Path | None = None,
    parts: int = PARTS,
    outlines: Path | None = None,
) -> Path:
    """Simulate and train a stage, or go on with it where it was stopped; return its model.

    Parameters
    ----------
    work
        Gets a folder for the stage.
    start
        The model of the stage before; without one, training begins with new weights.
    outlines
        The dataset with lesion outlines.
    """
    folder = work / stage.name
    run = RunPaths(folder / "run")
    dataset = simulate_eyes(
        folder / "data",
        stage.simulator,
        parts=parts,
        eyes=stage.eyes,
        held_out=stage.held_out,
        seed=stage.seed,
    )
    if run.checkpoint.exists():
        _show(fine_tune(dataset, output=run.path, resume=True))
        return run.last_model
    config = stage.training
    if stage.learns_outlines and outlines is not None:
        take_outlines(outlines, folder / "outlines")
        config = config.model_copy(update={"rehearse": str(folder / "outlines")})
    if start is None:
        start = folder / "blank"
        preprocess = PreprocessConfig(size=stage.size)
        blank = ModelInfo(
            name=STARTER, network=NETWORK, classes=stage.classes, preprocess=preprocess
        )
        save_model(start, build_seeded(NETWORK, seed=config.seed), blank)
    _show(fine_tune(dataset, config, output=run.path, start=start))
    return run.last_model


def save_starter(model: Path, folder: Path, *, has_outlines: bool) -> ModelInfo:
    """Write the bundle that ships, in half precision; files of an older one are replaced."""
    trained_model = load_model(model)
    trained = trained_model.info.trained_on
    if trained is not None:  # keys of simulated eyes are of no use
        trained = trained.model_copy(update={"keys": (), "dataset_key": None})
    about = f"{ABOUT} Learnt from: simulated B-scans"
    about += f"; {ATTRIBUTION}." if has_outlines else "."
    update = {
        "name": STARTER,
        "about": about,
        "trained_on": trained,
        # the stage before is part of the same training
        **dict.fromkeys(("parent", "start_scores", "promoted")),
    }
    info = trained_model.info.model_copy(update=update)
    return save_model(folder, trained_model.network, info, half=True)


def note_scores(folder: Path, scores: Path) -> ModelInfo:
    """Write the scores of real scans on a scoreboard into a bundle and its card.

    Raises
    ------
    InputError
        Where the scores are another model's.
    """
    model = load_model(folder)
    board = read_json(scores)
    if board.get("weights") != model.info.weights_id:
        raise InputError(f"{scores}: holds scores of other weights; score this model first")
    measured = tuple(
        Measurement(
            data=f"{name}: {count_noun(row['n_bscans'], 'B-scan')} of "
            f"{count_noun(row['n_groups'], 'patient')}",
            dice={one: found["dice"] for one, found in row["classes"].items()},
        )
        for name, row in board["sets"].items()
        if row.get("groups")  # those of simulated eyes are in the card already
    )
    info = model.info.model_copy(update={"measured": measured})
    return save_model(folder, model.network, info, half=True)


def _show(events: Iterator[Event]) -> None:
    for event in events:
        if isinstance(event, StepDone) and event.iteration % 100 == 0:
            print(f"iteration {event.iteration}: loss {event.loss:.3f}", flush=True)
        elif isinstance(event, Scored):
            print(format_table(event.scores), flush=True)
        elif isinstance(event, Message):
            print(event.text, flush=True)

"""The simulated eyes that a starter is trained and calibrated on."""

from __future__ import annotations

import os
import shutil
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from napari_retseg.dataset import Dataset, load_dataset
from napari_retseg.dataset.description import DESCRIPTION
from napari_retseg.simulate import SimulatorConfig, simulate_dataset

#: Simulated eyes, one B-scan each, in parts that are simulated side by side.
PARTS = 4


def simulate_eyes(
    folder: Path,
    config: SimulatorConfig,
    *,
    parts: int = PARTS,
    eyes: int,
    held_out: int,
    seed: int = 0,
) -> Dataset:
    """Simulate eyes, one B-scan each, on all cores, as one dataset.

    Parameters
    ----------
    folder
        Gets a folder for each part; made if missing. Parts that are whole are taken as they are.
    parts, eyes, held_out
        Number of parts; eyes in each, and how many of those are held out.
    seed
        Other eyes for another seed.
    """
    workers = min(parts, os.cpu_count() or 1)
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        jobs = [
            pool.submit(
                _simulate_part,
                folder / f"{part}",
                config=config,
                eyes=eyes,
                seed=seed * parts + part + 1,
                held_out=held_out,
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


def _simulate_part(
    folder: Path, *, config: SimulatorConfig, eyes: int, seed: int, held_out: int
) -> Dataset:
    """Simulate a part where it is not there; its description is written last."""
    if (folder / DESCRIPTION).is_file():
        return load_dataset(folder)
    shutil.rmtree(folder, ignore_errors=True)
    return simulate_dataset(folder, count=eyes, seed=seed, config=config, n_val=held_out)


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

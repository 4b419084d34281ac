"""Train the starter model that ships: ``python -m napari_retseg.starter FOLDER``.

Its stages go on where they were stopped, if ``--work`` names the same folder. Then the model is
calibrated on further eyes, each of a device of its own, and how well its numbers repeat is measured
on others that are scanned twice; with ``--only-calibrate`` nothing else is done. With ``--scores``
only the scores of real scans on a scoreboard are written into the model's card.

Everything follows from the seeds and numbers in `training` and `calibrating`, and from the lesion
outlines, which are not part of this repository.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from pathlib import Path

from napari_retseg.starter.calibrating import calibrate_starter
from napari_retseg.starter.training import STAGES, note_scores, save_starter, train_stage


def main() -> None:
    """Read the folder's name and train."""
    parser = argparse.ArgumentParser(
        prog="python -m napari_retseg.starter", description="Train the starter model again."
    )
    parser.add_argument("folder", type=Path, help="for instance sample_data/starter")
    parser.add_argument("--work", type=Path, help="keep data and runs here, and go on with them")
    parser.add_argument(
        "--outlines",
        type=Path,
        help="dataset with outlines of IRF and SRF (Kermany et al. 2018), of which half is learnt",
    )
    parser.add_argument(
        "--only-calibrate", action="store_true", help="keep the model, and calibrate it again"
    )
    parser.add_argument(
        "--scores", type=Path, help="JSON of `napari-retseg benchmark`: write it into the card"
    )
    arguments = parser.parse_args()
    if arguments.scores is not None:
        note_scores(arguments.folder, arguments.scores)
        return
    if not arguments.only_calibrate:
        work = arguments.work or Path(tempfile.mkdtemp(prefix="retseg-starter-"))
        model: Path | None = None
        for stage in STAGES:
            model = train_stage(stage, work, start=model, outlines=arguments.outlines)
        if model is not None:
            has_outlines = arguments.outlines is not None
            print(save_starter(model, arguments.folder, has_outlines=has_outlines).weights_id)
        if arguments.work is None:
            shutil.rmtree(work)
    for found in calibrate_starter(arguments.folder):
        print(found.data)


if __name__ == "__main__":
    main()

"""``napari-retseg simulate``: scans with exact labels, from a seed."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer
from pydantic import ValidationError

from napari_retseg.cli.options import JsonOption
from napari_retseg.config import parse_size
from napari_retseg.errors import UsageError

FileFormat = Literal["png", "tiff", "nifti"]


def simulate(
    output: Annotated[Path, typer.Option(help="The dataset's folder; made if missing.")],
    count: Annotated[int, typer.Option(min=1, help="Simulated patients, one volume each.")] = 4,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same scans.")] = 0,
    device: Annotated[Literal["A", "B"], typer.Option(help="Which device to imitate.")] = "A",
    size: Annotated[
        str, typer.Option(metavar="DEPTHxWIDTH", help="Of a B-scan, in pixels.")
    ] = "496x768",
    bscans: Annotated[int, typer.Option(min=1, help="B-scans of a volume.")] = 11,
    file_format: Annotated[
        FileFormat, typer.Option("--format", help="Of the files; PNG has a file for each B-scan.")
    ] = "png",
    as_json: JsonOption = False,
) -> None:
    """Make simulated scans with exact labels.

    Seven layers, a foveal pit, fluid; a dataset of several patients.
    """
    from napari_retseg.cli.reporting import Reporter
    from napari_retseg.simulate import SimulatorConfig
    from napari_retseg.simulate.dataset import simulate_dataset

    shape = parse_size(size)
    if shape is None:
        raise UsageError(f"--size {size}: write DEPTHxWIDTH, for instance 496x768")
    try:
        config = SimulatorConfig(device=device, n_bscans=bscans, depth=shape[0], width=shape[1])
    except ValidationError as error:
        raise UsageError(f"--size {size}: {error.errors()[0]['msg']}") from error
    with Reporter(as_json=as_json) as reporter:
        dataset = simulate_dataset(
            output, count=count, seed=seed, config=config, file_format=file_format
        )
        if not as_json:
            reporter.say(f"{output}: {len(dataset.cases)} simulated scans of {count} patients")
        reporter.finish(
            {"dataset": str(output), "cases": len(dataset.cases), "simulated": True, "seed": seed}
        )

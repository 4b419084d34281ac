"""``napari-retseg simulate``: scans with exact labels, from a seed."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from pydantic import ValidationError

from napari_retseg.cli.options import JsonOption
from napari_retseg.cli.terminal import answer
from napari_retseg.config import parse_size
from napari_retseg.errors import UsageError
from napari_retseg.plural import count_noun

if TYPE_CHECKING:
    from napari_retseg.simulate import SimulatorConfig

FileFormat = Literal["png", "tiff", "nifti"]
Variety = Literal["wide", "device-a", "device-b"]
_DEVICE_SIZE = (496, 768)


class Part(StrEnum):
    """What can be left out of the ranges."""

    DISEASE = "disease"
    SPECKLE = "speckle"
    RESOLUTION = "resolution"
    CORNERS = "corners"


def simulate(
    output: Annotated[Path, typer.Option(help="Folder for the dataset; created if missing.")],
    count: Annotated[
        int, typer.Option(min=1, help="Number of simulated patients, with one volume each.")
    ] = 4,
    seed: Annotated[
        int, typer.Option(min=0, help="Random seed. The same seed gives the same scans.")
    ] = 0,
    variety: Annotated[
        Variety,
        typer.Option(help="wide: many eyes, diseases and devices, for training; or one device."),
    ] = "device-a",
    size: Annotated[
        str | None,
        typer.Option(
            metavar="DEPTHxWIDTH",
            help="Size of a B-scan in pixels. Default: 496x768 for a device, random for wide.",
        ),
    ] = None,
    bscans: Annotated[int, typer.Option(min=1, help="Number of B-scans in a volume.")] = 11,
    without: Annotated[
        list[Part] | None,
        typer.Option(
            help="With wide: leave this effect out, to measure what it contributes. Repeatable."
        ),
    ] = None,
    lesions: Annotated[
        bool,
        typer.Option(
            "--lesions",
            help="Label sub-RPE (drusen, PED), IRF and SRF, in the place of one class of fluid.",
        ),
    ] = False,
    file_format: Annotated[
        FileFormat,
        typer.Option("--format", help="File format. PNG gives one file for each B-scan."),
    ] = "png",
    as_json: JsonOption = False,
) -> None:
    """Create simulated scans with exact labels.

    Writes a dataset of several patients: seven layers, a foveal pit, fluid.
    """
    from napari_retseg.simulate import simulate_dataset

    config = _configure(variety, size=size, bscans=bscans, without=tuple(without or ()))
    if lesions:
        config = config.model_copy(update={"label_set": "retina and lesions"})
    dataset = simulate_dataset(
        output, count=count, seed=seed, config=config, file_format=file_format
    )
    n_cases = len(dataset.cases)
    about = {"dataset": str(output), "cases": n_cases, "simulated": True, "seed": seed}
    scans = f"{count_noun(n_cases, 'simulated scan')} of {count_noun(count, 'patient')}"
    answer(about, [f"{output}: {scans}"], as_json=as_json)


def _configure(
    variety: Variety, *, size: str | None, bscans: int, without: tuple[Part, ...]
) -> SimulatorConfig:
    """Turn options into a configuration."""
    from napari_retseg.simulate import SimulatorConfig, make_device_config

    shape = None if size is None else parse_size(size)
    if size is not None and shape is None:
        raise UsageError(f"--size {size}: write DEPTHxWIDTH, for example 496x768")
    try:
        if variety == "wide":
            return SimulatorConfig(size=shape, n_bscans=bscans).without(
                *(part.value for part in without)
            )
        if without:
            raise UsageError(f"--without {without[0]}: only works with --variety wide")
        device: Literal["A", "B"] = "A" if variety == "device-a" else "B"
        depth, width = shape or _DEVICE_SIZE
        return make_device_config(device, size=(depth, width), n_bscans=bscans)
    except ValidationError as error:
        raise UsageError(f"--size {size}: {error.errors()[0]['msg']}") from error

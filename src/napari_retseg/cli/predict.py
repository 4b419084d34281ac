"""``napari-retseg predict``: label scans, one file or a whole study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from napari_retseg.cli.options import (
    DeviceOption,
    JsonOption,
    PrecisionOption,
    SchedulerOption,
    WorkersOption,
    parse_workers,
)
from napari_retseg.headless import importing

TtaOption = Annotated[
    bool,
    typer.Option(
        "--tta", help="Average with the prediction of the mirrored scan (test-time augmentation)."
    ),
]
DecodeOption = Annotated[
    Literal["auto", "surfaces", "plain"],
    typer.Option(
        help="How probabilities become labels. surfaces: layers in order and smooth; plain: the "
        "most probable class of each pixel; auto: surfaces where the classes are layers."
    ),
]
RuntimeOption = Annotated[
    Literal["torch", "onnx", "openvino"],
    typer.Option(
        help="What computes the network. onnx, openvino: on the CPU and without PyTorch, with a "
        "model folder from 'models export --onnx'."
    ),
]
AxisOption = Annotated[
    int | None,
    typer.Option(
        min=0, max=2, help="Axis along which non-OCT volumes are sliced (0: z, 1: y, 2: x)."
    ),
]


def predict(
    inputs: Annotated[
        list[Path],
        typer.Argument(help="Scan files or folders. A folder stands for each scan in it."),
    ],
    output: Annotated[Path, typer.Option(help="Folder for the labels; created if missing.")],
    model: Annotated[str, typer.Option(help="Name or folder of a model.")] = "starter",
    as_volume: Annotated[
        bool, typer.Option("--as-volume", help="Read each folder as one volume of B-scans.")
    ] = False,
    recursive: Annotated[
        bool,
        typer.Option(
            "--recursive", help="Include sub-folders. The labels get the same sub-folders."
        ),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Skip scans that already have labels from the same scan, model and options.",
        ),
    ] = False,
    overwrite: Annotated[
        bool,
        typer.Option(
            "--overwrite",
            help="Replace label files, even if they were edited by hand or not written by predict.",
        ),
    ] = False,
    fail_fast: Annotated[
        bool, typer.Option("--fail-fast", help="Stop at the first scan that fails.")
    ] = False,
    overlay: Annotated[
        bool,
        typer.Option(
            "--overlay", help="Also save each B-scan with its labels drawn over it, as PNG."
        ),
    ] = False,
    tta: TtaOption = False,
    decode: DecodeOption = "auto",
    uncertainty: Annotated[
        bool,
        typer.Option(
            "--uncertainty",
            help="Also save maps of the model's uncertainty, and rank which B-scans to label next.",
        ),
    ] = False,
    axis: AxisOption = None,
    overlap: Annotated[
        float,
        typer.Option(
            min=0, max=0.9, help="Overlap of neighbouring windows of a 3D model, as a fraction."
        ),
    ] = 0.5,
    batch_size: Annotated[
        int,
        typer.Option(min=0, help="Number of B-scans in a batch. 0: one on a CPU, eight on a GPU."),
    ] = 0,
    runtime: RuntimeOption = "torch",
    device: DeviceOption = "auto",
    precision: PrecisionOption = "auto",
    workers: WorkersOption = "1",
    scheduler: SchedulerOption = None,
    as_json: JsonOption = False,
) -> None:
    """Segment scans and save the labels.

    If a scan fails, it is named and the others are still segmented. Labels that were edited by
    hand, or not written by predict, are not replaced.

    The labels of scan STEM are saved as STEM.png for a B-scan, as STEM.nii.gz on the same grid
    for NIfTI, and as STEM.tif for any other volume. With --uncertainty, OUTPUT/uncertainty
    contains a map for each scan, and OUTPUT/uncertainty.csv ranks all B-scans.
    """
    with importing():
        from napari_retseg.cli.batch import Batch
        from napari_retseg.cli.courier import SENT, find_courier
        from napari_retseg.cli.labeller import open_labeller
        from napari_retseg.cli.listing import list_scans
        from napari_retseg.cli.predict_files import AT_A_TIME, Wanted
        from napari_retseg.cli.reporting import Reporter
        from napari_retseg.cli.running import stopping_cleanly
        from napari_retseg.config import PredictConfig
        from napari_retseg.models import find_model

    listing = list_scans(inputs, as_volume=as_volume, recursive=recursive, output=output)
    number = parse_workers(workers, len(listing.places), scheduler=scheduler, device=device)
    config = PredictConfig(
        runtime=runtime,
        device=device,
        precision=precision,
        batch_size=batch_size,
        tta=tta,
        decode=decode,
        uncertainty=uncertainty,
        overlap=overlap,
        axis=axis,
    )
    folders = {find_model(model), *(one.path.parent for one in listing.places)}
    with Reporter(as_json=as_json) as reporter, stopping_cleanly() as cancel:
        courier = None if scheduler is None else find_courier(scheduler, folders, output=output)
        labeller = open_labeller(model, config, scheduler=scheduler, workers=number)
        batch = Batch(
            wanted=Wanted(output, resume, overwrite, overlay, uncertainty),
            labeller=labeller,
            reporter=reporter,
            cancel=cancel,
            workers=number,
            threads=AT_A_TIME,
            scheduler=scheduler,
            courier=courier,
        )
        if courier is not None:
            reporter.say(SENT)
        for left_out in listing.left_out:
            reporter.say(left_out.describe())
        summary = batch.run(listing.places, fail_fast=fail_fast)
        summary.left_out = listing.left_out
        for line in summary.describe():
            reporter.say(line)
        reporter.finish(summary.to_json())
    raise typer.Exit(summary.exit_code)

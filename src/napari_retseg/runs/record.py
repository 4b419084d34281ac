"""What a run's folder says of its training."""

from __future__ import annotations

from pathlib import Path

from napari_retseg.config import TrainConfig
from napari_retseg.errors import InputError, NotThereError
from napari_retseg.models import ModelInfo, parse_info
from napari_retseg.models.description import LARGEST_DESCRIPTION
from napari_retseg.records import check_record, read_json, read_yaml
from napari_retseg.runs.paths import RunPaths


def read_config(path: Path) -> TrainConfig:
    """Read the configuration of the run in a folder.

    Raises
    ------
    InputError
        Where there is none, or it cannot be read.
    """
    file = RunPaths(path).config
    try:
        values = read_yaml(file)
    except NotThereError as error:
        raise InputError(f"{path}: found no run in this folder") from error
    return check_record(values, TrainConfig, file)


def read_run_model(path: Path) -> ModelInfo:
    """Read what the run in a folder trains: network, classes, preprocessing, data.

    Raises
    ------
    InputError
        Where there is no run, or the file cannot be read.
    """
    file = RunPaths(path).description
    try:
        data = read_json(file, limit=LARGEST_DESCRIPTION)
    except NotThereError as error:
        raise InputError(f"{path}: found no run to resume; start one without --resume") from error
    return parse_info(data, file)

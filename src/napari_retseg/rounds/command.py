"""The command line that does the same as a training that is started in the viewer."""

from __future__ import annotations

import os
import shlex
import subprocess
from pathlib import Path

from napari_retseg.config import TrainConfig
from napari_retseg.errors import InputError
from napari_retseg.runs.record import read_config


def train_command(
    dataset: Path,
    config: TrainConfig,
    *,
    output: Path,
    start: Path | None,
    scheduler: str | None,
    resume: bool = False,
) -> str:
    """Write the ``napari-retseg train`` command of a training.

    Parameters
    ----------
    dataset, output, start
        Paths are made absolute, so that the command works in any folder.
    config
        Only what differs from the defaults is written; of a run that is resumed, what differs
        from the run's own configuration.
    scheduler
        Address of the dask scheduler; None: the command's own process.
    resume
        Go on with the run in `output`.

    Returns
    -------
    str
        One line, quoted for the system's shell.
    """
    words = ["napari-retseg", "train", str(dataset.absolute())]
    words += ["--output", str(output.absolute())]
    if start is not None and not resume:  # a resumed run knows what it started from
        words += ["--from", str(start.absolute())]
    if resume:
        words.append("--resume")
    if scheduler is not None:
        words += ["--scheduler", scheduler]
    before = _read_own(output) if resume else TrainConfig()
    for name in TrainConfig.model_fields:
        value = getattr(config, name)
        if value != getattr(before, name):
            words += _write_option(name, value)
    return subprocess.list2cmdline(words) if os.name == "nt" else shlex.join(words)


def _read_own(run: Path) -> TrainConfig:
    try:
        return read_config(run)
    except InputError:
        return TrainConfig()  # the command then says what is wrong with the run


def _write_option(name: str, value: object) -> list[str]:
    flag = f"--{name.replace('_', '-')}"
    if isinstance(value, bool):
        return [flag if value else f"--no-{flag[2:]}"]
    text = repr(value) if isinstance(value, float) else str(value)
    # a text that begins with a dash would be taken for an option
    return [f"{flag}={text}"] if text.startswith("-") or not text else [flag, text]

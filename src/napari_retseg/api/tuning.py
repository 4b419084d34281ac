"""Fine-tuning in this process, with a progress bar."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from napari_retseg.api.arguments import DataLike, PathLike, as_dataset, as_path, make_config
from napari_retseg.api.model import Model
from napari_retseg.api.progressbar import run_job
from napari_retseg.api.trainingrun import Run
from napari_retseg.config import TrainConfig
from napari_retseg.dataset import Dataset
from napari_retseg.errors import UsageError
from napari_retseg.learn.train import fine_tune
from napari_retseg.models import find_model
from napari_retseg.runs.paths import RunPaths
from napari_retseg.runs.record import read_config
from napari_retseg.workspace import Workspace


def train(
    dataset: DataLike,
    *,
    output: PathLike,
    start: Model | PathLike | None = None,
    resume: bool = False,
    progress: bool = True,
    **options: Any,
) -> Run:
    """Fine-tune a model on a dataset, and score it on patients that are held out.

    Ctrl-C (in a notebook: *Interrupt*) stops it after the current step and saves its state; the
    same call with ``resume=True`` goes on from there, as if it had never stopped.

    Parameters
    ----------
    dataset
        A dataset's folder or ``dataset.json``, a workspace's folder, or what
        :func:`make_dataset` gave. Of a workspace the confirmed labels count.
    output
        The run's folder; made if missing.
    start
        The model to start from: from :func:`load_model`, its name or its folder. None: from
        scratch.
    resume
        Continue the run in `output`; it keeps its options, and needs no `start`.
    progress
        Show a progress bar.
    **options
        Those of ``napari-retseg train``, with underscores: ``iterations``, ``epochs``,
        ``minutes``, ``lr``, ``batch_size``, ``strategy``, ``augment``, ``split``, ``seed``,
        ``device`` and the others.

    Returns
    -------
    Run
        ``run.scores``, ``run.plot()``, ``run.model``.

    Raises
    ------
    InputError
        Where the dataset or the run cannot be read or written.
    ModelError
        Where there is no such model, or it does not fit the data.
    UsageError
        Where an option does not exist or does not fit the others, or the folder holds a run
        already.
    KeyboardInterrupt
        Where Ctrl-C stopped it; the state is saved.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import napari_retseg as rs
    >>> from napari_retseg.simulate import make_device_config, simulate_dataset
    >>> folder = Path(tempfile.mkdtemp())
    >>> small = make_device_config("A", size=(64, 64), n_bscans=2)
    >>> study = simulate_dataset(folder / "study", count=2, config=small)
    >>> run = rs.train(
    ...     study, start="starter", output=folder / "run", iterations=2, progress=False
    ... )
    >>> run.is_finished, run.model.classes[8]
    (True, 'fluid')
    """
    folder = as_path(output, expected="a folder for the run")
    _check_folder(folder, resume=resume)
    config = _choose_config(folder, options, resume=resume)
    data = _open_data(dataset)
    model = None if start is None else _find_start(start)
    run_job(
        lambda cancel: fine_tune(data, config, cancel, output=folder, start=model, resume=resume),
        title="training",
        progress=progress,
        stopped=f"the training was stopped and its progress is saved in {folder}; to continue, "
        "call train again with resume=True",
    )
    return Run(folder)


def _check_folder(folder: Path, *, resume: bool) -> None:
    has_run = RunPaths(folder).has_checkpoint
    if resume and not has_run:
        raise UsageError(f"{folder}: found no run to continue; remove resume=True")
    if has_run and not resume:
        raise UsageError(
            f"{folder}: already contains a run; continue it with resume=True, or choose "
            "another output"
        )


def _choose_config(folder: Path, options: dict[str, Any], *, resume: bool) -> TrainConfig:
    """Make the configuration; a run that is continued has its own."""
    own = read_config(folder).model_dump() if resume else {}
    return make_config(TrainConfig, {**own, **options}, what="train")


def _open_data(dataset: DataLike) -> Dataset:
    if isinstance(dataset, Workspace) and not dataset.is_read_only:
        dataset.pin()
    return as_dataset(dataset)


def _find_start(start: Model | PathLike) -> Path:
    if isinstance(start, Model):
        return start.folder
    return find_model(as_path(start, expected="a model, its name or its folder"))

"""A workspace from a script or notebook: what the workbench does, without napari."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from napari_retseg.api.arguments import (
    ClassesLike,
    ImageLike,
    LabelsLike,
    PathLike,
    as_bscans,
    as_classes,
    as_labels,
    as_path,
    describe,
    read_scan,
)
from napari_retseg.api.frames import tabulate_scans
from napari_retseg.api.model import Model, load_model, make_predict_config
from napari_retseg.api.progressbar import run_job
from napari_retseg.api.trainingrun import Run
from napari_retseg.api.tuning import train
from napari_retseg.classes import IGNORE, RETINA
from napari_retseg.dataset.pagedlabels import peek
from napari_retseg.errors import InputError, ModelError, UsageError
from napari_retseg.events import BscanPredicted, Event
from napari_retseg.infer.predict import predict
from napari_retseg.layers import translate_classes
from napari_retseg.rounds import find_resumable
from napari_retseg.workspace import RestorePoints, Workspace
from napari_retseg.workspace.entry import count_bscans
from napari_retseg.workspace.layout import SNAPSHOT

if TYPE_CHECKING:
    import pandas as pd

_FOLDER = "a workspace's folder"


class ScriptedWorkspace(Workspace):
    """A workspace: scans, their labels and predictions, and the trainings on them.

    It is the folder that the workbench in napari works with; one program at a time may change
    it. Use it as a context manager, or call ``close()``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> import numpy as np
    >>> import napari_retseg as rs
    >>> workspace = rs.Workspace.create(Path(tempfile.mkdtemp()) / "study", classes=["NFL"])
    >>> name = workspace.add(np.zeros((3, 64, 96), np.uint8), patient="P1")
    >>> labels = np.zeros((64, 96), np.uint8)
    >>> labels[20:30] = 1
    >>> workspace.label(name, labels, bscans=1)
    >>> workspace.confirm(name, bscans=1)
    >>> workspace.states(name)
    {1: 'confirmed'}
    >>> workspace.close()
    """

    @classmethod
    def create(
        cls, folder: PathLike, *, classes: ClassesLike = RETINA, name: str | None = None
    ) -> Self:
        """Make a workspace in a new or empty folder, and open it.

        Parameters
        ----------
        folder
            Made if missing.
        classes
            Names of the classes 1, 2, ..., value to name (as ``model.classes``), or a label
            set. By default seven retinal layers and fluid.
        name
            By default the folder's.

        Raises
        ------
        InputError
            Where something lies there already, or the folder cannot be made.
        UsageError
            Where an argument is something else.
        """
        path = as_path(folder, expected=_FOLDER)
        return super().create(path, classes=as_classes(classes), name=name)

    @classmethod
    def open(cls, folder: PathLike, *, trust: bool = False) -> Self:
        """Open a workspace; read-only where another program has it open.

        Parameters
        ----------
        folder
            Where it lies.
        trust
            Let a workspace that another person made read scans outside its folder.

        Raises
        ------
        InputError
            Where there is no workspace, or it cannot be read.
        UsageError
            Where `folder` is neither text nor a path.
        """
        return super().open(as_path(folder, expected=_FOLDER), trust=trust)

    def add(
        self,
        image: ImageLike,
        *,
        patient: str | None = None,
        name: str | None = None,
        spacing_um: Sequence[float | None] | None = None,
    ) -> str:
        """Add a scan.

        Parameters
        ----------
        image
            What :func:`read_scan` takes. A file stays where it is; an array is written into the
            workspace.
        patient
            Whose scan it is: a patient is either trained on or held out. None: as the file says,
            or guessed from its name.
        name
            What to call the scan here; None: as its file.
        spacing_um
            Pixel size in um for each axis, where the file has none.

        Returns
        -------
        str
            The scan's name in the workspace, which the other methods take.

        Raises
        ------
        InputError
            Where the image cannot be read, or the workspace cannot be written.
        """
        scan = read_scan(image, spacing_um=spacing_um)
        return self.add_scan(scan, group=patient, name=name).name

    def predict(
        self,
        name: str,
        model: Model | PathLike,
        *,
        bscans: int | Iterable[int] | None = None,
        progress: bool = True,
        **options: Any,
    ) -> NDArray[np.uint8]:
        """Predict B-scans of a scan, and keep the prediction beside its labels.

        Labels that were made by hand stay as they are; :meth:`accept` takes the prediction.

        Parameters
        ----------
        name
            The scan.
        model
            What :func:`load_model` gave or takes. Classes are matched by their names.
        bscans
            Which B-scans, from 0; None: all.
        progress
            Show a progress bar.
        **options
            Those of :meth:`Model.predict`.

        Returns
        -------
        ndarray of uint8
            Class values of this workspace, of the scan's shape without a channel axis; 0 in
            B-scans that are not predicted.

        Raises
        ------
        InputError
            Where there is no such scan or B-scan, or it cannot be read or written.
        ModelError
            Where the model has none of the workspace's classes.
        """
        loaded = load_model(model)
        config = make_predict_config(options).model_copy(update={"uncertainty": True})
        table = translate_classes(self.classes, loaded.info.classes)
        if not table[:IGNORE].any():
            raise ModelError(
                f"{loaded.name}: has none of the classes of the workspace "
                f"({', '.join(self.classes.names[1:])}); choose another model"
            )
        scan = self.read_scan(name)
        chosen = as_bscans(bscans, scan.n_bscans, name)
        asked = config.model_dump_json(exclude_defaults=True)

        def take(event: Event) -> None:
            if isinstance(event, BscanPredicted):
                planes = {event.index: (table[event.labels], event.uncertainty)}
                self.write_predictions(name, planes, model=loaded.info, options=asked)

        predictor = loaded.ready(config)
        run_job(
            lambda cancel: predict(scan, predictor, config, cancel, bscans=chosen),
            title=f"predicting {name}",
            progress=progress,
            stopped="the prediction was stopped; finished B-scans are kept",
            take=take,
        )
        stored = self.read_prediction(name)
        blank = np.zeros(scan.spatial_shape, np.uint8)
        return blank if stored is None else np.asarray(stored.labels)

    def label(
        self, name: str, labels: LabelsLike, *, bscans: int | Iterable[int] | None = None
    ) -> None:
        """Write labels, as corrected ones: they count in training once they are confirmed.

        Parameters
        ----------
        name
            The scan.
        labels
            Class values, as an array or a label file: of the scan's shape without a channel axis,
            or ``(depth, width)`` for a single B-scan. 255 is "not annotated".
        bscans
            Which B-scans to write, from 0; None: all.

        Raises
        ------
        InputError
            Where there is no such scan or B-scan, or the labels do not fit.
        """
        shape = self._find_shape(name)
        chosen = as_bscans(bscans, count_bscans(shape), name)
        values = as_labels(labels)
        if values.shape not in (shape, shape[-2:]) or (values.shape != shape and len(chosen) > 1):
            raise InputError(
                f"{name}: expected labels of shape {shape}, or {shape[-2:]} with one B-scan in "
                f"bscans; got {values.shape}"
            )
        self.classes.to_indices(values)
        for bscan in chosen:
            plane = values[bscan] if values.ndim == 3 else values
            self.write_labels(name, bscan, plane, state="corrected")

    def accept(self, name: str, *, bscans: int | Iterable[int] | None = None) -> list[int]:
        """Take the prediction as labels, in B-scans that have no labels yet.

        Returns
        -------
        list of int
            The B-scans that were written.

        Raises
        ------
        InputError
            Where the scan is not predicted.
        """
        stored = self.read_prediction(name)
        if stored is None:
            raise InputError(f"{name}: no prediction yet; call predict first")
        shape = stored.labels.shape
        chosen = as_bscans(bscans, count_bscans(shape), name)
        free = [i for i in chosen if i in stored.bscans and i not in self.states(name)]
        for bscan in free:
            plane = peek(stored.labels, bscan)
            model = stored.bscans[bscan].weights_id or None
            self.write_labels(name, bscan, plane, state="corrected", model=model)
        return free

    def confirm(self, name: str, *, bscans: int | Iterable[int] | None = None) -> None:
        """Confirm labels: from now on they are trained and scored on.

        Parameters
        ----------
        name
            The scan.
        bscans
            Which B-scans, from 0; None: all that have labels.

        Raises
        ------
        InputError
            Where a B-scan has no labels.
        """
        states = self.states(name)
        n_bscans = count_bscans(self._find_shape(name))
        chosen = sorted(states) if bscans is None else as_bscans(bscans, n_bscans, name)
        missing = [i for i in chosen if i not in states]
        if missing or not chosen:
            which = f"B-scan {missing[0]} has" if missing else "it has"
            raise InputError(f"{name}: {which} no labels; call label or accept first")
        labels = self.open_labels(name)
        for bscan in chosen:
            self.write_labels(name, bscan, peek(labels, bscan), state="confirmed")

    def train(
        self,
        start: Model | PathLike | None = None,
        *,
        resume: bool = False,
        progress: bool = True,
        **options: Any,
    ) -> Run:
        """Train on what is confirmed, in a new round; the labels as they are now are kept with it.

        Parameters
        ----------
        start
            The model to start from; None: from scratch.
        resume
            Continue the newest round instead, where it was stopped.
        progress
            Show a progress bar.
        **options
            Those of :func:`train`.

        Returns
        -------
        Run
            ``run.scores``, ``run.plot()``, ``run.model``.

        Raises
        ------
        InputError
            Where nothing is confirmed to train or to score on, or a scan's file was replaced.
        UsageError
            Where there is no round to continue, or an option does not exist.
        """
        if resume:
            folder = find_resumable(self.rounds)
            if folder is None:
                raise UsageError(f"{self.folder}: no stopped round of training; remove resume=True")
            data = folder / SNAPSHOT if (folder / SNAPSHOT).is_dir() else self.folder
            return train(data, output=folder, resume=True, progress=progress, **options)
        replaced = self.check_scans()
        if replaced:
            raise InputError(". ".join(replaced))
        folder = self.begin_round(RestorePoints(self))
        return train(folder / SNAPSHOT, output=folder, start=start, progress=progress, **options)

    def table(self) -> pd.DataFrame:
        """Return a pandas table of the scans: patient, and how many B-scans are how far.

        Raises
        ------
        UsageError
            Where pandas is not installed.
        """
        return tabulate_scans(self)

    def _find_shape(self, name: str) -> tuple[int, ...]:
        known = {entry.name: entry for entry in self.scans}
        if name not in known:
            raise InputError(
                f"{self.folder}: has no scan {describe(name)}; its scans are "
                f"{', '.join(known) or 'none yet'}"
            )
        return known[name].shape or self.read_scan(name).spatial_shape

    def __repr__(self) -> str:
        """Its folder and how many scans it holds."""
        return f"Workspace({str(self.folder)!r}: {len(self.scans)} scans)"

    def _repr_html_(self) -> str:
        """Show its scans in a notebook."""
        try:
            return f"<p>{escape(repr(self))}</p>{self.table().to_html()}"
        except UsageError:
            return f"<p>{escape(repr(self))}</p>"

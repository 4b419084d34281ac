"""A model that is loaded and ready to predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from napari_retseg.api.arguments import ImageLike, PathLike, as_path, make_config, read_scan
from napari_retseg.api.progressbar import run_job
from napari_retseg.config import PredictConfig
from napari_retseg.errors import UsageError
from napari_retseg.events import BscanPredicted, Event
from napari_retseg.infer.predict import load_predictor, predict
from napari_retseg.infer.predictor import Predictor
from napari_retseg.models import find_model
from napari_retseg.nets import bundle
from napari_retseg.scan import OctScan

_STOPPED = "the prediction was stopped; nothing is kept"


class Prediction(NamedTuple):
    """Labels, and how unsure the model is of them.

    Attributes
    ----------
    labels
        Class values, uint8, of the image's shape without a channel axis.
    uncertainty
        Entropy of each pixel, float32, of the same shape: 0 where the model is sure, 1 where all
        classes are equally likely.
    scores
        One number for each B-scan, float64, ``(n_bscans,)``, 0 to 1: the higher, the more it is
        worth to look at.
    """

    labels: NDArray[np.uint8]
    uncertainty: NDArray[np.float32]
    scores: NDArray[np.float64]


@dataclass(frozen=True, repr=False, eq=False)
class Model(bundle.Model):
    """A model with its weights; :func:`load_model` gives one.

    Attributes
    ----------
    info
        Its description: classes, input, what it was trained on, scores.
    network
        The network, on the CPU.
    folder
        Where its files lie.
    """

    folder: Path
    _ready: dict[PredictConfig, Predictor] = field(default_factory=dict, init=False)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.info.name

    @property
    def classes(self) -> dict[int, str]:
        """Name of each class value in the labels that it predicts; 0 is background."""
        return {one.value: one.name for one in self.info.classes.classes}

    def predict(
        self,
        image: ImageLike,
        *,
        spacing_um: Sequence[float | None] | None = None,
        progress: bool = True,
        **options: Any,
    ) -> NDArray[np.uint8]:
        """Predict the labels of a scan.

        Parameters
        ----------
        image
            What :func:`read_scan` takes: a path, an array of grey values or a scan.
        spacing_um
            Pixel size in um for each axis, where the file has none.
        progress
            Show a progress bar.
        **options
            ``device`` ("auto", "cpu", "cuda", "mps"), ``precision`` ("auto", "fp32", "bf16",
            "fp16"), ``batch_size`` (B-scans at once), ``tta`` (average with the mirrored scan),
            ``decode`` (how probabilities become labels: "auto", "surfaces", "plain"), ``overlap``
            (of the windows of a 3D network, 0 to 1), ``axis`` (along which a volume that is not
            OCT is sliced).

        Returns
        -------
        ndarray of uint8
            Class values on the image's own grid: ``(depth, width)`` or ``(bscan, depth, width)``.
            `classes` has their names.

        Raises
        ------
        InputError
            Where the image cannot be read; see :func:`read_scan`.
        ModelError
            Where the model takes another number of channels.
        UsageError
            Where the image is something else, or an option does not exist.
        KeyboardInterrupt
            Where Ctrl-C stopped it.

        Examples
        --------
        >>> import numpy as np
        >>> import napari_retseg as rs
        >>> model = rs.load_model("starter")
        >>> labels = model.predict(np.zeros((64, 96), np.uint8), progress=False)
        >>> labels.shape, labels.dtype
        ((64, 96), dtype('uint8'))
        """
        scan = read_scan(image, spacing_um=spacing_um)
        labels = np.zeros(scan.spatial_shape, dtype=np.uint8)

        def take(event: Event) -> None:
            if isinstance(event, BscanPredicted):
                labels[event.index if scan.is_volume else ...] = event.labels

        config = make_predict_config(options)
        self._predict(scan, config, take=take, progress=progress)
        return labels

    def predict_with_uncertainty(
        self,
        image: ImageLike,
        *,
        spacing_um: Sequence[float | None] | None = None,
        progress: bool = True,
        **options: Any,
    ) -> Prediction:
        """Predict the labels of a scan, and how unsure the model is of each pixel.

        It takes and raises what :meth:`predict` does.

        Returns
        -------
        Prediction
            ``labels``, ``uncertainty`` (0 to 1) and ``scores`` of the B-scans.

        Examples
        --------
        >>> import numpy as np
        >>> import napari_retseg as rs
        >>> model = rs.load_model("starter")
        >>> found = model.predict_with_uncertainty(np.zeros((2, 64, 96)), progress=False)
        >>> found.uncertainty.shape, found.scores.shape
        ((2, 64, 96), (2,))
        """
        scan = read_scan(image, spacing_um=spacing_um)
        labels = np.zeros(scan.spatial_shape, dtype=np.uint8)
        entropy = np.zeros(scan.spatial_shape, dtype=np.float32)
        scores = np.zeros(scan.n_bscans)

        def take(event: Event) -> None:
            if isinstance(event, BscanPredicted) and event.uncertainty is not None:
                place = event.index if scan.is_volume else ...
                labels[place] = event.labels
                entropy[place] = event.uncertainty.entropy / np.float32(255)
                scores[event.index] = event.uncertainty.score

        config = make_predict_config(options).model_copy(update={"uncertainty": True})
        self._predict(scan, config, take=take, progress=progress)
        return Prediction(labels, entropy, scores)

    def _predict(self, scan: OctScan, config: PredictConfig, *, take: Any, progress: bool) -> None:
        predictor = self.ready(config)
        run_job(
            lambda cancel: predict(scan, predictor, config, cancel),
            title=f"predicting with {self.name}",
            progress=progress,
            stopped=_STOPPED,
            take=take,
        )

    def ready(self, config: PredictConfig) -> Predictor:
        """Return the model on its device, ready to predict; the last one is kept."""
        if config not in self._ready:
            self._ready.clear()
            self._ready[config] = load_predictor(self, config)
        return self._ready[config]

    def __repr__(self) -> str:
        """Its name, its classes and what it was trained on."""
        names = ", ".join(self.info.classes.names[1:])
        return f"Model({self.name!r}, {self.info.network.dims}D, classes: {names})"


def load_model(model: PathLike | Model) -> Model:
    """Load a model by name or folder.

    Parameters
    ----------
    model
        A name, such as ``"starter"`` or one of your own (``napari-retseg models list`` shows
        them), the folder of a model, or the folder of a run, whose best model is taken.

    Raises
    ------
    ModelError
        Where there is no such model, or a file of it is damaged.
    UsageError
        Where it is neither text nor a path.

    Examples
    --------
    >>> import napari_retseg as rs
    >>> model = rs.load_model("starter")
    >>> model.classes[1], model.classes[10]
    ('NFL', 'SRF')
    """
    if isinstance(model, Model):
        return model
    folder = find_model(as_path(model, expected="a model's name or folder"))
    loaded = bundle.load_model(folder)
    return Model(info=loaded.info, network=loaded.network, folder=folder)


def make_predict_config(options: dict[str, Any]) -> PredictConfig:
    """Make the configuration of a prediction.

    Raises
    ------
    UsageError
        Where an option does not exist, or has a value that it cannot have.
    """
    if "uncertainty" in options:
        raise UsageError("predict has no option 'uncertainty'; call predict_with_uncertainty")
    return make_config(PredictConfig, options, what="predict")

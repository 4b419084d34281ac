"""Where the files of a training lie in its folder."""

from __future__ import annotations

import shutil
from pathlib import Path


class RunPaths:
    """The files of one training.

    Parameters
    ----------
    path
        The run's folder; it need not exist.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        #: The options of the training.
        self.config = path / "config.yaml"
        #: What is trained: network, classes, preprocessing, data.
        self.description = path / "run.json"
        #: What it is made from, by content.
        self.inputs = path / "inputs.json"
        #: What happened, a JSON object a line.
        self.events = path / "events.jsonl"
        #: Losses and scores as a table.
        self.metrics = path / "metrics.csv"
        #: The full state of the latest moment that was saved.
        self.checkpoint = path / "checkpoints" / "last.pt"
        #: The bundle with the best held-out score so far.
        self.model = path / "model"
        #: The bundle of the last iteration.
        self.last_model = path / "model-last"
        #: The bundle that the run started from: it stays, whatever becomes of the original.
        self.start_model = path / "model-start"

    @property
    def has_checkpoint(self) -> bool:
        """Whether the training can be resumed, or has ended."""
        return self.checkpoint.is_file()

    def list_files(self) -> list[Path]:
        """List all that it may hold; the checkpoint, with which it can be resumed, comes last."""
        # here, since --help waits for this module
        from napari_retseg.models.description import FILES

        bundles = (self.start_model, self.model, self.last_model)
        return [
            self.config,
            self.description,
            self.inputs,
            *(bundle / name for bundle in bundles for name in FILES),
            self.events,
            self.metrics,
            self.checkpoint,
        ]

    def remove_weights(self) -> None:
        """Remove checkpoint and models; options, events and metrics stay."""
        for folder in (self.checkpoint.parent, self.model, self.last_model, self.start_model):
            shutil.rmtree(folder, ignore_errors=True)

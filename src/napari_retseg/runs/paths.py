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

    @property
    def config(self) -> Path:
        """The options of the training."""
        return self.path / "config.yaml"

    @property
    def description(self) -> Path:
        """What is trained: network, classes, preprocessing, data."""
        return self.path / "run.json"

    @property
    def events(self) -> Path:
        """What happened, a JSON object a line."""
        return self.path / "events.jsonl"

    @property
    def metrics(self) -> Path:
        """Losses and scores as a table."""
        return self.path / "metrics.csv"

    @property
    def checkpoint(self) -> Path:
        """The full state of the latest moment that was saved."""
        return self.path / "checkpoints" / "last.pt"

    @property
    def has_checkpoint(self) -> bool:
        """Whether the training can be resumed, or has ended."""
        return self.checkpoint.is_file()

    @property
    def model(self) -> Path:
        """The bundle with the best held-out score so far."""
        return self.path / "model"

    @property
    def last_model(self) -> Path:
        """The bundle of the last iteration."""
        return self.path / "model-last"

    @property
    def start_model(self) -> Path:
        """The bundle that the run started from: it stays, whatever becomes of the original."""
        return self.path / "model-start"

    def remove_weights(self) -> None:
        """Remove checkpoint and models; options, events and metrics stay."""
        for folder in (self.checkpoint.parent, self.model, self.last_model, self.start_model):
            shutil.rmtree(folder, ignore_errors=True)

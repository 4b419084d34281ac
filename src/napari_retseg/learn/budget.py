"""How long a training goes on: optimiser steps, passes over the samples, or minutes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_retseg.config import TrainConfig


@dataclass(frozen=True, slots=True)
class Budget:
    """The end of a training, and where on the way to it one is.

    Parameters
    ----------
    iterations
        Optimiser steps; 0 where the time is the limit.
    seconds
        Time of the steps, without that of scoring and saving; 0 where `iterations` is the limit.
    schedule_iterations
        Length of the learning rate's schedule; 0: the training's.
    """

    iterations: int
    seconds: float = 0.0
    schedule_iterations: int = 0

    @classmethod
    def of(cls, config: TrainConfig, *, n_samples: int) -> Budget:
        """Read it from a configuration; an epoch is as many draws as there are samples."""
        if config.minutes:
            return cls(0, 60 * config.minutes, config.schedule_iterations)
        iterations = config.iterations
        if config.epochs:
            drawn = config.batch_size * config.accumulate
            iterations = math.ceil(config.epochs * n_samples / drawn)
        return cls(iterations, 0.0, config.schedule_iterations)

    def position(self, iteration: int, seconds: float) -> float:
        """Share of the training that is done, 0 to 1."""
        done = iteration / self.iterations if self.iterations else seconds / self.seconds
        return min(done, 1.0)

    def schedule_position(self, iteration: int, seconds: float) -> float:
        """Share of the learning rate's schedule that is done, 0 to 1."""
        if self.schedule_iterations:
            return min(iteration / self.schedule_iterations, 1.0)
        return self.position(iteration, seconds)

    def is_over(self, iteration: int, seconds: float) -> bool:
        """Whether the last step has been taken."""
        return self.position(iteration, seconds) >= 1.0

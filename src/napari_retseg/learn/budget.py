"""How long a training goes on: optimizer steps, passes over the samples, or minutes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from napari_retseg.config import TrainConfig

#: Optimizer steps where none are given: from scratch, and the most from a model.
_LONG = 1000
#: From a model: so many, and so many more for each training scan. On few labels more is worse
#: (docs/starter.md).
_SHORT, _PER_SAMPLE = 100, 3
#: Without `score_every`: so many scores in a training, but none later than after so many steps.
_SCORES, _LONGEST_UNSCORED = 5, 100
#: Steps that learn from B-scans without labels, too, as a fraction of those before. With them, a
#: training takes less than twice as long.
_LESSONS = 0.4


@dataclass(frozen=True, slots=True)
class Budget:
    """The end of a training, and where on the way to it one is.

    Parameters
    ----------
    iterations
        Optimizer steps; 0 where the time is the limit.
    seconds
        Time of the steps, without that of scoring and saving; 0 where `iterations` is the limit.
    schedule_iterations
        Length of the learning rate's schedule; 0: the training's.
    score_every
        Steps between two scores on the held-out scans.
    lessons
        Steps after `iterations`, in which B-scans without labels are learned from, too.
    """

    iterations: int
    seconds: float = 0.0
    schedule_iterations: int = 0
    score_every: int = _LONGEST_UNSCORED
    lessons: int = 0

    @classmethod
    def of(
        cls, config: TrainConfig, *, n_samples: int, is_new: bool, n_unlabelled: int = 0
    ) -> Budget:
        """Read it from a configuration; an epoch is as many draws as there are samples.

        Parameters
        ----------
        n_samples
            Number of training scans: B-scans, or volumes in 3D.
        is_new
            Whether the weights are new ones; then the length does not depend on `n_samples`.
        n_unlabelled
            Number of B-scans without labels that are learned from.
        """
        seconds = 60 * config.minutes
        steps = 0 if seconds else _count_steps(config, n_samples=n_samples, is_new=is_new)
        every = config.score_every or min(math.ceil(steps / _SCORES), _LONGEST_UNSCORED)
        return cls(
            steps,
            seconds,
            config.schedule_iterations,
            every or _LONGEST_UNSCORED,
            lessons=math.ceil(_LESSONS * steps) if n_unlabelled else 0,
        )

    def position(self, iteration: int, seconds: float) -> float:
        """Share of the training that is done, 0 to 1."""
        steps = self.iterations + self.lessons
        return min(iteration / steps if steps else seconds / self.seconds, 1.0)

    def schedule_position(self, iteration: int, seconds: float) -> float:
        """Share of the learning rate's schedule that is done, 0 to 1; lessons have their own."""
        if self.is_lesson(iteration):
            return self.lesson_position(iteration)
        if self.schedule_iterations:
            return min(iteration / self.schedule_iterations, 1.0)
        return min(iteration / self.iterations if self.iterations else seconds / self.seconds, 1.0)

    @property
    def labelled_scores(self) -> int:
        """Number of scores on the held-out scans before the lessons."""
        return math.ceil(self.iterations / self.score_every)

    def is_lesson(self, iteration: int) -> bool:
        """Whether the step after `iteration` steps learns from B-scans without labels, too."""
        return self.lessons > 0 and iteration >= self.iterations

    def lesson_position(self, iteration: int) -> float:
        """Share of the lessons that is done, 0 to 1."""
        return min((iteration - self.iterations) / self.lessons, 1.0)

    def is_over(self, iteration: int, seconds: float) -> bool:
        """Whether the last step has been taken."""
        return self.position(iteration, seconds) >= 1.0


def _count_steps(config: TrainConfig, *, n_samples: int, is_new: bool) -> int:
    if config.epochs:
        drawn = config.batch_size * config.accumulate
        return math.ceil(config.epochs * n_samples / drawn)
    if config.iterations:
        return config.iterations
    return _LONG if is_new else min(_SHORT + _PER_SAMPLE * n_samples, _LONG)

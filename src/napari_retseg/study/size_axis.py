"""The axis of training-set sizes: linear, or logarithmic where small sizes would be crowded."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from matplotlib.axes import Axes

#: Share of the axis between two lines.
_BESIDE = 0.012
#: A linear axis holds sizes up to so many times the smallest one.
_DECADE = 10


class SizeAxis:
    """Where sizes stand on an axis.

    Parameters
    ----------
    sizes
        Numbers of cases or patients; 0 stands for all of them.
    """

    def __init__(self, sizes: Iterable[int]) -> None:
        self.sizes = sorted(set(sizes))
        self.is_log = self.sizes[0] > 0 and self.sizes[-1] >= _DECADE * self.sizes[0]

    def beside(self, number: int, total: int) -> Callable[[float], float]:
        """Shift line ``number`` of ``total`` a little, so that bars can be told apart."""
        part = (number - (total - 1) / 2) * _BESIDE
        first, last = self.sizes[0], self.sizes[-1]
        if self.is_log:
            factor = (last / first) ** part
            return lambda size: size * factor
        shift = part * (last - first)
        return lambda size: size + shift

    def mark(self, axes: Axes) -> None:
        """Set the scale, and a tick at each size."""
        if self.is_log:
            axes.set_xscale("log")
            axes.minorticks_off()
        axes.set_xticks(self.sizes, list(map(str, self.sizes)))

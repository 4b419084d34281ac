"""What changed in one B-scan of a labels array since one last looked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

Labels = NDArray[np.integer[Any]]


@dataclass(frozen=True, slots=True)
class Changes:
    """The pixels of a B-scan that changed; there is at least one.

    Attributes
    ----------
    flat
        Their places in the plane, in C order and ascending.
    before, after
        Their values, in the order of `flat`, of the plane's dtype.
    """

    flat: NDArray[np.intp]
    before: Labels
    after: Labels

    def __len__(self) -> int:
        return len(self.flat)


class PlaneWatch:
    """Keeps a copy of one B-scan and tells what changed.

    A viewer says when it painted, but not for every way of changing pixels (undo, for one),
    and where it does, not always which. A comparison with a copy misses nothing.

    Parameters
    ----------
    plane
        Label values, ``(depth, width)``, also a view with gaps between its pixels.
    """

    def __init__(self, plane: Labels) -> None:
        self._kept = np.array(plane, order="C")

    @property
    def plane(self) -> Labels:
        """The B-scan as it was when one last looked; read-only, and without gaps."""
        view = self._kept.view()
        view.flags.writeable = False
        return view

    def changes(self, plane: Labels) -> Changes | None:
        """Compare with the B-scan as it is now, and keep it.

        Returns
        -------
        Changes or None
            None where no pixel changed.

        Raises
        ------
        ValueError
            Where the shape or the dtype is another: then it is another B-scan.
        """
        if plane.shape != self._kept.shape or plane.dtype != self._kept.dtype:
            raise ValueError(
                f"a B-scan {plane.shape} of {plane.dtype} is not the one that is watched, "
                f"{self._kept.shape} of {self._kept.dtype}"
            )
        flat = np.flatnonzero(plane != self._kept)
        if not len(flat):
            return None
        # ravel() would copy the whole of a plane that has gaps
        after = plane[np.unravel_index(flat, plane.shape)]
        kept = self._kept.reshape(-1)
        before = kept[flat]
        kept[flat] = after
        return Changes(flat, before, after)

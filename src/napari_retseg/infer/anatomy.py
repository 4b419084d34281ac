"""How far labels are from any labelling that an eye can have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import LabelSet
from napari_retseg.infer.layer_order import repair_layers
from napari_retseg.layers import layer_order

#: A B-scan of which a larger share is misplaced is impossible. Of references by hand and of
#: simulated eyes nearly none is; docs/prediction.md has the numbers.
IMPOSSIBLE = 0.02

#: Every fourth A-scan tells as much, and four times as fast.
_STEP = 4


class Anatomy:
    """Measures labels against the order of the layers.

    Parameters
    ----------
    classes
        Fewer than two of them may be layers; then nothing can be said.
    """

    def __init__(self, classes: LabelSet) -> None:
        self._order = layer_order(classes)
        self._n_classes = len(classes)

    def misplaced(self, labels: NDArray[np.uint8]) -> float:
        """Measure the share of a B-scan's foreground that must change for it to be possible.

        An A-scan is possible where it is background, layers that never go back (any may be
        missing), and background; what is no layer, such as fluid, lies between the first and the
        last layer. The least number of pixels that must change for that is found exactly
        (:func:`repair_layers`). Specks of layers in the vitreous or the choroid, a second retina,
        layers that are out of order and holes count with their pixels.

        Parameters
        ----------
        labels
            Class *indices*, ``(depth, width)``. Of A-scans that are not annotated nothing is known.

        Returns
        -------
        float
            0 to 1; 0 where there is no foreground, or where the classes are no layers.
        """
        shown = labels[:, ::_STEP]
        shown = shown[:, (shown < self._n_classes).all(axis=0)]
        foreground = int(np.count_nonzero(shown))
        if len(self._order) < 2 or not foreground:
            return 0.0
        top, bottom = np.flatnonzero(shown.any(axis=1))[[0, -1]]
        shown = shown[top : bottom + 1]
        scores = -(np.arange(self._n_classes)[:, None, None] != shown).astype(np.float32)
        changed = int(np.count_nonzero(repair_layers(scores, self._order) != shown))
        return min(changed / foreground, 1.0)

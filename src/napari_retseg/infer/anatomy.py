"""How far labels are from any labelling that an eye can have."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import BACKGROUND, LabelSet
from napari_retseg.layers import (
    boundaries_of_labels,
    is_lesion,
    labels_of_boundaries,
    layer_order,
)

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
        others = [k for k in range(1, len(classes)) if k not in self._order]
        self._lesions = [k for k in others if is_lesion(classes.classes[k].name)]
        self._n_classes = len(classes)

    def misplaced(self, labels: NDArray[np.uint8]) -> float:
        """Measure the share of a B-scan's foreground that must change for it to be possible.

        An A-scan is possible where it is background, layers that never go back (any may be
        missing), and background; lesions such as fluid lie between the first and the last layer.
        Counted are the pixels that differ from the possible layers which agree with the most
        (:func:`napari_retseg.layers.boundaries_of_labels`), and lesions outside of them. Specks
        of layers in the vitreous or the choroid, a second retina, layers that are out of order
        and holes count with their pixels.

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
        layers = boundaries_of_labels(shown, self._order)
        possible = labels_of_boundaries(layers.rows, self._order, depth=len(shown))
        is_state = np.isin(shown, [BACKGROUND, *self._order])
        at = np.arange(len(shown))[:, np.newaxis]
        is_inside = (at > layers.rows[0]) & (at <= layers.rows[-1])
        lesions = np.isin(shown, self._lesions)
        # below a retina that the image cuts off there is no layer any more
        is_cut = (lesions | (at <= layers.rows[-1])).all(axis=0) & (bottom + 1 == len(labels))
        outside = lesions & ~is_inside & ~is_cut
        changed = int(np.count_nonzero(is_state & (possible != shown)) + outside.sum())
        return min(changed / foreground, 1.0)

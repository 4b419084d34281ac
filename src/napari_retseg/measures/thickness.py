"""Thickness of layers as maps on the en-face grid, (bscan, width).

Thickness is measured along the A-scan, as devices do: a tilted retina is not corrected for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE, LabelSet
from napari_retseg.layers import boundaries_of_labels
from napari_retseg.layers.named import list_layers
from napari_retseg.measures.spans import RETINA, Span, find_spans

Map = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Surfaces:
    """The boundaries of a volume from which thickness is measured.

    Attributes
    ----------
    names
        Of the K layers, from the vitreous to the sclera.
    rows
        ``(K + 1, bscan, width)``, float32; NaN where there is no boundary, it is not annotated, or
        its A-scan is left out.
    is_doubtful
        A-scans that are left out since their evidence is poor, ``(bscan, width)``.
    is_unordered
        A-scans that are left out since their layers are out of order, ``(bscan, width)``.
    is_unannotated
        A-scans with pixels that are not annotated, ``(bscan, width)``.
    """

    names: tuple[str, ...]
    rows: Map
    is_doubtful: NDArray[np.bool_]
    is_unordered: NDArray[np.bool_]
    is_unannotated: NDArray[np.bool_]

    @property
    def spans(self) -> dict[str, Span]:
        """What can be measured; see :func:`~napari_retseg.measures.spans.find_spans`."""
        return find_spans(self.names)

    def thickness_px(self, span: Span) -> Map:
        """Return the rows between two boundaries, ``(bscan, width)``, NaN where unknown."""
        upper, lower = span
        thickness: Map = self.rows[lower] - self.rows[upper]
        return thickness

    def replace_rows(
        self, rows: NDArray[np.floating[Any]], *, bscans: Sequence[int] | None = None
    ) -> Surfaces:
        """Return the surfaces with boundaries that are known to parts of a pixel.

        Parameters
        ----------
        rows
            ``(K + 1, bscan, width)``, of the B-scans that are named, or all. NaN leaves those of
            the labels.
        """
        chosen = slice(None) if bscans is None else list(bscans)
        new = self.rows.copy()
        kept = new[:, chosen]
        new[:, chosen] = np.where(np.isfinite(rows) & np.isfinite(kept), rows, kept)
        return replace(self, rows=new)


def find_surfaces(
    labels: NDArray[np.uint8],
    classes: LabelSet,
    *,
    is_doubtful: NDArray[np.bool_] | None = None,
) -> Surfaces | None:
    """Find the boundaries of the layers in labels; else those of a class ``retina``.

    A boundary between two layers is unknown (NaN) where a pocket of fluid that touches both hides
    its place. That between the retina and what is above or below it never is.

    Parameters
    ----------
    labels
        Class values, ``(bscan, depth, width)`` or ``(depth, width)``.
    classes
        All classes in `labels`.
    is_doubtful
        A-scans to leave out, ``(bscan, width)``.

    Returns
    -------
    Surfaces or None
        None where no class is a layer.
    """
    called = {c.value: c.name for c in classes.classes}
    volume = labels.reshape(-1, *labels.shape[-2:])
    layers = list_layers(classes)
    rest = [value for value, name in called.items() if name == RETINA]
    if not layers or (rest and np.isin(volume, rest).any()):
        layers = _place_rest(volume, layers, rest)
    if not layers:
        return None
    found = boundaries_of_labels(volume, layers)
    rows = found.visible_rows().swapaxes(0, 1)
    shape = rows.shape[1:]
    doubtful = np.zeros(shape, bool) if is_doubtful is None else is_doubtful
    unordered = ~found.is_ordered
    left_out = doubtful | unordered
    return Surfaces(
        names=tuple(called[value] for value in layers),
        rows=np.where(left_out, np.float32(np.nan), rows),
        is_doubtful=doubtful,
        is_unordered=unordered,
        is_unannotated=(volume == IGNORE).any(axis=-2),
    )


def _place_rest(volume: NDArray[np.uint8], layers: list[int], rest: list[int]) -> list[int]:
    """Order the layers that are there, and what is left of the retina, by how deep they lie.

    A device's boundaries tell some layers only, such as the NFL; the rest is one class.
    """
    depth = np.arange(volume.shape[-2])
    counts = {value: (volume == value).sum(axis=(0, -1)) for value in (*layers, *rest)}
    deep = {value: depth @ count / count.sum() for value, count in counts.items() if count.any()}
    return sorted(deep, key=deep.__getitem__) or rest

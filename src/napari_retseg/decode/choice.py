"""Whether a model's probabilities become surfaces."""

from __future__ import annotations

from napari_retseg.classes import LabelSet
from napari_retseg.config import Decoding
from napari_retseg.errors import UsageError
from napari_retseg.layers import is_gapless, layer_order


def choose_layers(classes: LabelSet, decoding: Decoding) -> list[int]:
    """Choose the layers whose surfaces are found, as class indices from above; none for plain.

    Raises
    ------
    UsageError
        Where surfaces are asked for and the classes are no layers.
    """
    order = layer_order(classes)
    if decoding == "plain" or (decoding == "auto" and not is_gapless(classes, order)):
        return []
    if len(order) < 2:
        names = ", ".join(classes.names[1:])
        raise UsageError(
            f"surfaces cannot be found: fewer than two of the classes ({names}) are retinal "
            "layers; use --decode plain"
        )
    return order

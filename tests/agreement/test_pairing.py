"""Labels of one set of classes as those of another."""

from __future__ import annotations

import numpy as np

from napari_retseg.agreement.pairing import translate
from napari_retseg.classes import RETINA, RETINA_AND_LESIONS


def test_kinds_of_fluid_are_compared_with_one_class_of_fluid() -> None:
    values = np.array([[0, 7, 8, 9, 10, 255]], np.uint8)
    found = translate(values, RETINA_AND_LESIONS, RETINA, "labels.tif")
    assert found.tolist() == [[0, 7, 0, 8, 8, 255]]

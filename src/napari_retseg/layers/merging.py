"""One set of classes in terms of another: a class of one may be several of the other.

``GCL-IPL`` is ``GCL`` and ``IPL``, ``fluid`` is ``IRF`` and ``SRF``, and ``RNFL`` is ``NFL``.
"""

from __future__ import annotations

import re

import numpy as np
from numpy.typing import NDArray

from napari_retseg.classes import IGNORE, LabelClass, LabelSet
from napari_retseg.layers.anatomy import find_places

#: Lesions under all of their names, as they are compared.
_LESIONS: dict[str, frozenset[str]] = {
    **dict.fromkeys(("irf", "intraretinalfluid", "cyst", "cysts"), frozenset({"irf"})),
    **dict.fromkeys(("srf", "subretinalfluid"), frozenset({"srf"})),
    "fluid": frozenset({"irf", "srf"}),
}
_OTHER = re.compile(r"[\W_]+")


def translate_classes(own: LabelSet, other: LabelSet) -> NDArray[np.uint8]:
    """Say which class of one set each class of another is, or is a part of.

    Returns
    -------
    ndarray of uint8
        256 class values of `own`, by the value of `other`; 0 for what `own` has no class of, and
        255 (not annotated) stays.

    Notes
    -----
    A class that is a part of one of `own`'s counts only where the other parts are classes, too:
    ``SRF`` alone is not ``fluid``.
    """
    table = np.zeros(256, np.uint8)
    for one in own.foreground:
        table[list(_find_parts(one, other))] = one.value
    table[IGNORE] = IGNORE
    return table


def translate_indices(own: LabelSet, other: LabelSet) -> NDArray[np.uint8]:
    """Say the same as :func:`translate_classes` of indices, as networks have them.

    Returns
    -------
    ndarray of uint8
        An index of `own` for each index of `other`, ``(len(other),)``.
    """
    return own.to_indices(translate_classes(own, other)[other.values])


def list_unknown_classes(own: LabelSet, other: LabelSet) -> list[str]:
    """Names of the classes of `other` that `own` has no class of."""
    table = translate_classes(own, other)
    return [one.name for one in other.foreground if not table[one.value]]


def list_missing_classes(own: LabelSet, other: LabelSet) -> list[str]:
    """Names of the classes of `own` that `other` has neither as such nor in parts."""
    found = set(translate_classes(own, other)[other.values].tolist())
    return [one.name for one in own.foreground if one.value not in found]


def find_common_classes(first: LabelSet, second: LabelSet) -> LabelSet:
    """Find what two sets of classes both speak of, each class as coarse as the coarser one.

    Returns
    -------
    LabelSet
        Numbered from 1, in the order of `first`; :func:`translate_classes` brings labels of either
        set to it.
    """
    names = [one.name for one in first.foreground if _find_parts(one, second)]
    covered = {value for one in first.foreground for value in _find_parts(one, second)}
    names += [
        one.name
        for one in second.foreground
        if one.value not in covered and _find_parts(one, first)
    ]
    return LabelSet.from_names(names)


def _find_parts(one: LabelClass, others: LabelSet) -> tuple[int, ...]:
    """Values of the classes that together are this class; none where a part is missing."""
    for other in others.foreground:
        if other.name == one.name:
            return (other.value,)
    whole = _find_content(one.name)
    found = {c.value: content for c in others.foreground if (content := _find_content(c.name))}
    parts = {value: content for value, content in found.items() if content <= whole}
    if not parts or frozenset().union(*parts.values()) != whole:
        return ()
    return tuple(parts)


def _find_content(name: str) -> frozenset[str]:
    """What a class is made of; of an unknown name, that name."""
    plain = _OTHER.sub("", name).casefold()
    if plain in _LESIONS:
        return _LESIONS[plain]
    places = find_places(name)
    return frozenset(f"layer {place}" for place in places) or frozenset({plain})

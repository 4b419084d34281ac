"""The layers of the retina in their order: which classes are layers, and which lies above which."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence

from napari_retseg.classes import BACKGROUND, LabelSet

#: Names of layers from the vitreous to the sclera; those on one line mean the same place.
ANATOMY: tuple[tuple[str, ...], ...] = (
    ("vitreous",),
    ("ilm",),
    ("nfl", "rnfl", "retinalnervefibrelayer", "retinalnervefiberlayer", "nervefibrelayer"),
    ("gcl", "ganglioncelllayer", "gcc", "ganglioncellcomplex"),
    ("gcipl", "gclipl"),
    ("ipl", "innerplexiformlayer"),
    ("inl", "innernuclearlayer"),
    ("opl", "outerplexiformlayer"),
    ("hfl", "henlefibrelayer", "henlefiberlayer"),
    ("onl", "outernuclearlayer"),
    ("elm", "externallimitingmembrane"),
    ("ism", "mz", "myoid", "myoidzone", "is", "innersegments"),
    ("ise", "ez", "ellipsoid", "ellipsoidzone", "isos", "photoreceptors", "pr"),
    ("os", "outersegments"),
    ("iz", "interdigitationzone"),
    ("rpe", "retinalpigmentepithelium"),
    ("ped", "pigmentepithelialdetachment", "drusen", "subrpe"),
    ("bm", "bruchsmembrane"),
    ("cc", "choriocapillaris"),
    ("choroid", "chor"),
    ("sclera",),
)
_RANK = {name: rank for rank, names in enumerate(ANATOMY) for name in names}
_JOINED = re.compile(r"[^A-Za-z]+")


def layer_order(classes: LabelSet) -> list[int]:
    """Find the classes that are layers.

    Names are compared without case and punctuation; a name of several layers, such as
    ``GCL+IPL`` or ``OS-RPE``, lies in the middle of them. See :data:`ANATOMY`.

    Returns
    -------
    list of int
        Class *indices* from the vitreous to the sclera; empty where no class is a layer.
    """
    ranks = {k: _rank(c.name) for k, c in enumerate(classes.classes) if k != BACKGROUND}
    found = {k: rank for k, rank in ranks.items() if rank is not None}
    return sorted(found, key=lambda k: (found[k], k))


def _rank(name: str) -> float | None:
    """Place of a layer from above; None for what is not a layer."""
    parts = [part.lower() for part in _JOINED.split(name) if part]
    whole = "".join(parts)
    if whole in _RANK:
        return _RANK[whole]
    if parts and all(part in _RANK for part in parts):
        return sum(_RANK[part] for part in parts) / len(parts)
    return None


def name_boundaries(names: Sequence[str]) -> list[str]:
    """Name the boundaries of ordered layers, one more than there are layers."""
    between = [f"{above} / {below}" for above, below in itertools.pairwise(names)]
    return [f"inner boundary of {names[0]}", *between, f"outer boundary of {names[-1]}"]

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
    ("gcl", "ganglioncelllayer"),
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
#: Names of several layers together.
_TOGETHER = dict.fromkeys(("gcipl", "gclipl", "gcc", "ganglioncellcomplex"), ("gcl", "ipl"))
#: Places that a dataset may leave out without a gap: none lies there, or it is part of another.
_OPTIONAL = {"vitreous", "ilm", "hfl", "elm", "ism", "os", "iz", "ped", "bm", "cc"}
#: Classes that lie in the retina but are no layers.
LESIONS = {
    *("fluid", "irf", "srf", "intraretinalfluid", "subretinalfluid", "cyst", "cysts", "edema"),
    *("oedema", "lesion", "hrf", "hyperreflectivefoci", "shrm", "exudate", "exudates"),
}
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
    ranks = {k: find_places(c.name) for k, c in enumerate(classes.classes) if k != BACKGROUND}
    found = {k: sum(places) / len(places) for k, places in ranks.items() if places}
    return sorted(found, key=lambda k: (found[k], k))


def is_gapless(classes: LabelSet, order: Sequence[int]) -> bool:
    """Say whether layers follow each other without a layer between them that is no class.

    Parameters
    ----------
    order
        Of :func:`layer_order`.
    """
    spans = [find_places(classes.classes[k].name) for k in order]
    between = (ANATOMY[a[-1] + 1 : b[0]] for a, b in itertools.pairwise(spans))
    return len(order) > 1 and all(names[0] in _OPTIONAL for places in between for names in places)


def is_lesion(name: str) -> bool:
    """Whether a class of this name, such as fluid, lies in the retina and is no layer."""
    return "".join(_JOINED.split(name.lower())) in LESIONS


def find_places(name: str) -> list[int]:
    """Find the places of a layer in :data:`ANATOMY`, from above; none for what is not a layer."""
    parts = [part.lower() for part in _JOINED.split(name) if part]
    whole = "".join(parts)
    if whole in _RANK or whole in _TOGETHER:
        parts = list(_TOGETHER.get(whole, (whole,)))
    known = [_RANK[part] for part in parts if part in _RANK]
    return sorted(known) if len(known) == len(parts) else []


def name_boundaries(names: Sequence[str]) -> list[str]:
    """Name the boundaries of ordered layers, one more than there are layers."""
    between = [f"{above} / {below}" for above, below in itertools.pairwise(names)]
    return [f"inner boundary of {names[0]}", *between, f"outer boundary of {names[-1]}"]

"""Spans of layers that have a name: single layers, the inner, outer and whole retina."""

from __future__ import annotations

from collections.abc import Sequence

from napari_retseg.layers.anatomy import ANATOMY, find_places

#: The whole retina, from ILM to Bruch's membrane.
RETINA = "retina"
INNER = "inner retina"
#: The same to an estimated Bruch's membrane, where labels end at the RPE.
TO_BRUCH = "retina to BM"
#: Name, places at which the first layer may begin, and at which the last one may end.
_NAMED = (
    ("GCC", ("ilm", "nfl"), ("ipl",)),
    (INNER, ("ilm", "nfl"), ("opl",)),
    ("outer retina", ("hfl", "onl"), ("rpe", "ped", "bm")),
    (RETINA, ("ilm", "nfl"), ("rpe", "ped", "bm")),
)

#: Upper and lower boundary of a span, as indices of boundaries.
Span = tuple[int, int]


def find_spans(names: Sequence[str]) -> dict[str, Span]:
    """Find what can be measured between the boundaries of ordered layers.

    Parameters
    ----------
    names
        Of the layers, from the vitreous to the sclera.

    Returns
    -------
    dict
        First each layer by its name, then ``GCC`` (NFL to IPL), ``inner retina`` (NFL to OPL),
        ``outer retina`` (ONL to RPE) and ``retina`` (ILM to Bruch's membrane), where layers begin
        and end there. Drusen and PED, between RPE and Bruch's membrane, count. A class ``retina``
        beside layers is what is left of the retina: it has no thickness of its own.
    """
    has_rest = RETINA in names and len(names) > 1
    spans: dict[str, Span] = {
        name: (k, k + 1) for k, name in enumerate(names) if not (has_rest and name == RETINA)
    }
    ends = [_name_ends(name) for name in names]
    if has_rest:
        first, last = (ends[k] if names[k] != RETINA else ("nfl", "rpe") for k in (0, -1))
        if first[0] in ("ilm", "nfl") and last[1] in ("rpe", "ped", "bm"):
            spans[RETINA] = (0, len(names))
    for name, begins_at, ends_at in _NAMED:
        begins = [k for k, (begin, _) in enumerate(ends) if begin in begins_at]
        stops = [k + 1 for k, (_, end) in enumerate(ends) if end in ends_at]
        if begins and stops and begins[0] < stops[-1]:
            spans.setdefault(name, (begins[0], stops[-1]))
    return spans


def ends_at_rpe(names: Sequence[str]) -> bool:
    """Whether the last of the layers ends at the RPE, so that drusen lie below it."""
    return bool(names) and _name_ends(names[-1])[1] == "rpe"


def find_rpe_end(names: Sequence[str]) -> int:
    """Find the boundary at which the RPE ends: the last one, or that above drusen and PED."""
    return next((k for k, name in enumerate(names) if is_raised(name)), len(names))


def is_raised(name: str) -> bool:
    """Whether a class is what raises the RPE from Bruch's membrane: drusen, PED."""
    return _name_ends(name) == ("ped", "ped")


def _name_ends(name: str) -> tuple[str, str]:
    """The first and last place of the anatomy that a layer takes."""
    places = find_places(name)
    return (ANATOMY[places[0]][0], ANATOMY[places[-1]][0]) if places else ("", "")

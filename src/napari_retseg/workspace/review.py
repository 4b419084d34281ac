"""How far each B-scan of a workspace is, and which one to label next."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from napari_retseg.plural import agree, count_noun, plural
from napari_retseg.ranking import rank_bscans
from napari_retseg.workspace.cost import BscanCost, describe_seconds, expect_seconds
from napari_retseg.workspace.entry import PredictedBscan, State

BscanStatus = Literal["untouched", "predicted", "corrected", "confirmed"]
#: A scan's name and a B-scan's index.
Place = tuple[str, int]

#: A held-out patient's score is over no fewer B-scans, if they can be had.
ENOUGH = 3


@dataclass(frozen=True, slots=True)
class StripCell:
    """What one cell of the strip below the slider shows.

    `uncertainty` is the prediction's score, 0 (sure) to 1; None where there is none. `doubtful` is
    the share of its A-scans with poor evidence, 0 to 1.
    """

    bscan: int
    status: BscanStatus
    is_heldout: bool
    uncertainty: float | None
    doubtful: float = 0.0


def make_strip(
    n_bscans: int,
    *,
    states: Mapping[int, State],
    predicted: Mapping[int, float | None],
    heldout: Collection[int],
    doubtful: Mapping[int, float] | None = None,
) -> tuple[StripCell, ...]:
    """Tell how far each B-scan of a scan is.

    Parameters
    ----------
    n_bscans
        Number of B-scans; what the others say about further ones is left out.
    states
        Of those that the user worked on.
    predicted
        The score of each B-scan that a model predicted; None where it was not asked.
    heldout
        B-scans that are never trained on.
    doubtful
        The share of doubtful A-scans of those that have any.
    """
    poor = doubtful or {}
    return tuple(
        StripCell(
            bscan=i,
            status=states.get(i, "predicted" if i in predicted else "untouched"),
            is_heldout=i in heldout,
            uncertainty=predicted.get(i),
            doubtful=poor.get(i, 0.0),
        )
        for i in range(n_bscans)
    )


@dataclass(frozen=True, slots=True)
class ScanReview:
    """How far the B-scans of one scan are.

    Attributes
    ----------
    name, group
        The scan's name in the workspace, and the patient.
    states
        Of the B-scans that the user worked on.
    predicted
        What models said.
    heldout
        B-scans that are never trained on, but scored on.
    unused
        B-scans that are neither trained nor scored on: the gap beside held-out ones, or all of
        a scan that is kept for a last test.
    """

    name: str
    group: str
    n_bscans: int
    states: Mapping[int, State] = field(default_factory=dict)
    predicted: Mapping[int, PredictedBscan] = field(default_factory=dict)
    heldout: Collection[int] = frozenset()
    unused: Collection[int] = frozenset()


@dataclass(frozen=True, slots=True)
class NextBscan:
    """The B-scan to label next, and why in words."""

    name: str
    bscan: int
    why: str


def choose_next(
    scans: Sequence[ScanReview],
    *,
    current: Place | None = None,
    seen: Collection[Place] = (),
    costs: Collection[BscanCost] = (),
) -> NextBscan | None:
    """Choose the B-scan that is most worth labelling.

    Of the B-scans to train on, it is the one with the greatest product of uncertainty and
    distance to all that are confirmed (:func:`napari_retseg.ranking.rank_bscans`). Once it was
    measured how long B-scans of this model take, the seconds that each is expected to take stand
    in place of its uncertainty: what is learnt there saves most of them elsewhere. Without any
    prediction it is the middle of the scan, then what lies farthest from the confirmed ones,
    in the scan whose patient has the fewest of them.

    A held-out B-scan comes up where its patient has fewer than 3 confirmed ones, which a score
    needs, but not before 3 B-scans to train on are confirmed, and no more often than those. It
    is chosen by its place alone: a score over the B-scans that a model finds hard would not be
    that of the eye.

    Parameters
    ----------
    scans
        All scans of the workspace.
    current
        The B-scan in view, which is never the answer.
    seen
        B-scans that were offered before and left; they come again when no other is left.
    costs
        What B-scans have cost so far.

    Returns
    -------
    NextBscan or None
        None where nothing is left to label.
    """
    here = frozenset() if current is None else frozenset({current})
    passed = here.union(seen)
    found = _choose(scans, passed, current, costs)
    return found if found is not None or passed == here else _choose(scans, here, current, costs)


@dataclass(frozen=True, slots=True)
class _Part:
    """The B-scans of a scan on one side of the split."""

    scan: ScanReview
    bscans: list[int]
    passed: frozenset[int]

    @property
    def confirmed(self) -> list[int]:
        return [i for i in self.bscans if self.scan.states.get(i) == "confirmed"]

    @property
    def known(self) -> list[int]:
        """Those that the next one shall be unlike."""
        return sorted({*self.confirmed, *self.passed.intersection(self.bscans)})

    @property
    def left(self) -> list[int]:
        known = set(self.known)
        return [i for i in self.bscans if i not in known]


def _choose(
    scans: Sequence[ScanReview],
    passed: Collection[Place],
    current: Place | None,
    costs: Collection[BscanCost],
) -> NextBscan | None:
    training, heldout = [], []
    for scan in scans:
        there = frozenset(i for name, i in passed if name == scan.name)
        used = [i for i in range(scan.n_bscans) if i not in scan.unused]
        training.append(_Part(scan, [i for i in used if i not in scan.heldout], there))
        heldout.append(_Part(scan, [i for i in used if i in scan.heldout], there))
    due = _find_due(training, heldout)
    if due:
        counts = _count_groups(heldout)
        part = _least_confirmed(due, counts, current)
        bscan, place = _place(part)
        group = part.scan.group
        why = f"held out: {group} has {counts[group]} confirmed, scores need {ENOUGH}; {place}"
        return NextBscan(part.scan.name, bscan, why)
    return _most_worth(training, costs) or _spread(training, current)


def _find_due(training: Sequence[_Part], heldout: Sequence[_Part]) -> list[_Part]:
    """Return the held-out parts whose patients lack confirmed B-scans, if it is their turn."""
    n_training, n_heldout = (sum(len(p.confirmed) for p in side) for side in (training, heldout))
    is_turn = n_training >= ENOUGH and n_heldout < n_training
    if not is_turn and any(part.left for part in training):
        return []
    counts = _count_groups(heldout)
    return [part for part in heldout if part.left and counts[part.scan.group] < ENOUGH]


def _count_groups(parts: Sequence[_Part]) -> Counter[str]:
    """Count the confirmed B-scans of each patient."""
    counts: Counter[str] = Counter()
    for part in parts:
        counts[part.scan.group] += len(part.confirmed)
    return counts


def _most_worth(parts: Sequence[_Part], costs: Collection[BscanCost]) -> NextBscan | None:
    """Choose by seconds or score, and descriptor, among what the same model predicted."""
    left = [(part.scan, i) for part in parts for i in part.left]
    models: defaultdict[object, list[tuple[ScanReview, int]]] = defaultdict(list)
    for scan, i in left:
        if i in scan.predicted and scan.predicted[i].score is not None:
            models[_kind(scan.predicted[i])].append((scan, i))
    if not models:
        return None
    # scores of two models do not compare: the one that said most decides
    kind, compared = max(models.items(), key=lambda item: len(item[1]))
    said = [scan.predicted[i] for scan, i in compared]
    scores = [one.score or 0.0 for one in said]
    known = [(part.scan, i) for part in parts for i in part.known if i in part.scan.predicted]
    known = [(scan, i) for scan, i in known if _kind(scan.predicted[i]) == kind]
    points = [scan.predicted[i].descriptor for scan, i in known if scan.predicted[i].descriptor]
    seconds = expect_seconds(scores, costs, weights_id=said[0].weights_id)
    worth = scores if seconds is None else seconds
    best = rank_bscans(worth, [one.descriptor or (0.0,) for one in said], known=points, n=1)[0]
    scan, bscan = compared[best]
    why = _say_uncertain(scores, best) if seconds is None else _say_seconds(seconds, best)
    if points and said[best].descriptor not in points:
        why += f", unlike {_say_known(known)}"
    if scan.states.get(bscan) == "corrected":
        why += ", corrected but not confirmed"
    if len(left) > len(compared):
        why += f"; {len(left) - len(compared)} more have no prediction"
    return NextBscan(scan.name, bscan, why)


def _kind(said: PredictedBscan) -> tuple[str, str, str, int]:
    return said.weights_id, said.model, said.options, len(said.descriptor)


def _say_uncertain(scores: Sequence[float], best: int) -> str:
    rank = 1 + sum(score > scores[best] for score in scores)
    if len(scores) == 1:
        return f"the last one with a prediction (uncertainty {scores[best]:.2f})"
    if rank == 1:
        return f"most uncertain of {len(scores)} (uncertainty {scores[best]:.2f})"
    return f"number {rank} of {len(scores)} in uncertainty ({scores[best]:.2f})"


def _say_seconds(seconds: Sequence[float], best: int) -> str:
    text = f"about {describe_seconds(seconds[best])} to correct"
    rank = 1 + sum(round(one) > round(seconds[best]) for one in seconds)
    if len(seconds) == 1:
        return f"the last one with a prediction ({text})"
    return f"{text}, {'most' if rank == 1 else f'number {rank}'} of {len(seconds)}"


def _say_known(known: Sequence[tuple[ScanReview, int]]) -> str:
    n = len(known)
    are_confirmed = all(scan.states.get(i) == "confirmed" for scan, i in known)
    what = "confirmed" if are_confirmed else "confirmed or viewed"
    return f"the {agree(n, 'one', str(n))} {what} {plural('B-scan', n)}"


def _spread(parts: Sequence[_Part], current: Place | None) -> NextBscan | None:
    """Choose by place alone, where the least is confirmed."""
    left = [part for part in parts if part.left]
    if not left:
        return None
    part = _least_confirmed(left, _count_groups(parts), current)
    bscan, place = _place(part)
    return NextBscan(part.scan.name, bscan, f"no prediction yet; {place}")


def _least_confirmed(
    parts: Sequence[_Part], counts: Mapping[str, int], current: Place | None
) -> _Part:
    """Choose the scan of the patient with the least; the one in view wins a tie."""

    def order(part: _Part) -> tuple[int, int, bool]:
        is_elsewhere = current is None or current[0] != part.scan.name
        return counts[part.scan.group], len(part.confirmed), is_elsewhere

    return min(parts, key=order)


def _place(part: _Part) -> tuple[int, str]:
    """Return the middle of the B-scans, or the farthest from what is known."""
    known = part.known
    if len(part.bscans) == 1:
        return part.left[0], "the only B-scan of this scan"
    if not known:
        return part.bscans[len(part.bscans) // 2], f"in the middle of {len(part.bscans)} B-scans"

    def distance(i: int) -> int:
        return min(abs(i - j) for j in known)

    bscan = max(part.left, key=distance)
    nearest = "" if len(known) == 1 else "the nearest of "
    them = _say_known([(part.scan, i) for i in known])
    return bscan, f"{count_noun(distance(bscan), 'B-scan')} from {nearest}{them}"

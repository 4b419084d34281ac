"""Scores of the held-out scans of a workspace, from the files of labels and predictions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from napari_retseg.dataset.pagedlabels import peek
from napari_retseg.plural import count_noun
from napari_retseg.scores import ScoreCounter, Scores
from napari_retseg.workspace import PredictedBscan, ScanEntry, Workspace

#: Characters of an id that tell two models of one name apart.
_ID = 6


def count_heldout(workspace: Workspace) -> tuple[Scores | None, str]:
    """Score what models said of the held-out B-scans that are confirmed.

    Returns
    -------
    scores, notice
        None where nothing can be scored; the notice says why, or on what it was.

    Raises
    ------
    InputError
        Where a file cannot be read.
    """
    counter = ScoreCounter(workspace.classes)
    without = 0
    predicted: list[PredictedBscan] = []
    for entry in workspace.scans:
        wanted = _confirmed(workspace, entry)
        if wanted:
            without += _count_scan(workspace, entry, wanted, counter)
            known = workspace.predictions(entry.name)
            predicted += [known[bscan] for bscan in wanted if bscan in known]
    scores = counter.scores()
    if scores.n_bscans:
        more = f"; {count_noun(without, 'other')} without a prediction" if without else ""
        model = name_models(predicted)
        by = f" Predicted by {model}." if model else ""
        bscans = count_noun(scores.n_bscans, "B-scan")
        return scores, f"{bscans} of {count_noun(scores.n_groups, 'patient')}{more}.{by}"
    if without:
        return None, f"{count_noun(without, 'held-out B-scan')} confirmed, but not segmented yet."
    return None, "No held-out B-scan is confirmed yet."


def name_models(predicted: Iterable[PredictedBscan]) -> str:
    """Name the models that predicted, with how many B-scans each where there are several."""
    counts = Counter((one.model, one.weights_id) for one in predicted)
    if len(counts) == 1:
        return next(iter(counts))[0]
    names = Counter(model for model, _ in counts)
    parts = []
    for (model, weights_id), number in counts.most_common():
        which = f"{model} {weights_id[:_ID]}" if names[model] > 1 else model
        parts.append(f"{which} ({count_noun(number, 'B-scan')})")
    return ", ".join(parts)


def _confirmed(workspace: Workspace, entry: ScanEntry) -> list[int]:
    if entry.is_missing:
        return []
    states = workspace.states(entry.name)
    return [b for b in sorted(workspace.heldout(entry.name)) if states.get(b) == "confirmed"]


def _count_scan(
    workspace: Workspace, entry: ScanEntry, wanted: list[int], counter: ScoreCounter
) -> int:
    """Count the B-scans of one scan; return how many have no prediction."""
    classes = workspace.classes
    stored = workspace.read_prediction(entry.name)
    if stored is None:
        return len(wanted)
    labels = workspace.open_labels(entry.name)
    predicted = [bscan for bscan in wanted if bscan in stored.bscans]
    for bscan in predicted:
        counter.compare(
            classes.to_indices(peek(labels, bscan)),
            classes.to_indices(peek(stored.labels, bscan)),
            name=f"{entry.name} {bscan}",
            group=entry.group,
        )
    return len(wanted) - len(predicted)

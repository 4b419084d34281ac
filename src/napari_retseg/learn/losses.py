"""Losses that honour "not annotated": weighted sums of terms, in 2D and 3D."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import torch
from torch.nn import functional as F

from napari_retseg.config import LossTerm, parse_loss
from napari_retseg.learn.soft_counts import Overlaps, compare

#: Added to numerator and denominator of Dice and Tversky, in pixels of the whole batch.
_SMOOTH = 1.0


def build_loss(
    text: str,
    *,
    weights: torch.Tensor | None = None,
    partial: tuple[tuple[int, ...], ...] = (),
) -> SegmentationLoss:
    """Build the loss that a text describes (see :func:`napari_retseg.config.parse_loss`).

    Parameters
    ----------
    text
        For instance ``0.5*ce + 0.5*dice``.
    weights
        ``(k,)``, of the classes in wce and wdice (see :mod:`napari_retseg.learn.weights`); all
        the same without them.
    partial
        Classes of the partial labels, see :func:`napari_retseg.learn.soft_counts.compare`.

    Raises
    ------
    ValueError
        Where the text is no loss.
    """
    return SegmentationLoss(parse_loss(text), weights=weights, partial=partial)


class SegmentationLoss(torch.nn.Module):
    """Weighted sum of losses, pooled over the pixels of a batch.

    Takes logits ``(n, k, *spatial)`` of any precision and class indices ``(n, *spatial)``, int64;
    pixels of index 255 have no part in the value nor in the gradient. A batch without any
    annotated pixel costs 0. Of a pixel with a partial label, cross-entropy and focal loss take the
    probability of its classes together; to Dice and its kin it is a pixel of none of the others.
    """

    weights: torch.Tensor | None

    def __init__(
        self,
        terms: tuple[LossTerm, ...],
        *,
        weights: torch.Tensor | None = None,
        partial: tuple[tuple[int, ...], ...] = (),
    ) -> None:
        super().__init__()
        self.register_buffer("weights", None if weights is None else weights.float())
        self._terms = terms
        self._partial = partial

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss, float32."""
        overlaps = compare(logits, target, self._partial)
        weights = self._weights_for(logits)
        total = logits.new_zeros((), dtype=torch.float32)
        for term in self._terms:
            total = total + term.weight * _choose(term, weights)(overlaps)
        return total

    def _weights_for(self, logits: torch.Tensor) -> torch.Tensor:
        if self.weights is None:
            return torch.ones(logits.shape[1], device=logits.device)
        return self.weights.to(logits.device)


def _choose(term: LossTerm, weights: torch.Tensor) -> Callable[[Overlaps], torch.Tensor]:
    plain: dict[str, Callable[..., torch.Tensor]] = {
        "ce": cross_entropy,
        "dice": dice,
        "gdice": generalised_dice,
        "focal": focal,
        "tversky": tversky,
        "lovasz": lovasz,
    }
    if term.name in plain:
        return partial(plain[term.name], **term.arguments)
    return partial({"wce": weighted_cross_entropy, "wdice": weighted_dice}[term.name], weights)


def cross_entropy(overlaps: Overlaps) -> torch.Tensor:
    """Mean of -log p of what is annotated over the annotated pixels."""
    return -overlaps.log_probabilities.sum() / overlaps.n_annotated


def weighted_cross_entropy(weights: torch.Tensor, overlaps: Overlaps) -> torch.Tensor:
    """Cross-entropy as a mean that is weighted by the annotated class, as torch's is.

    Parameters
    ----------
    weights
        ``(k,)``, from 0; a common factor has no part in the value.
    """
    entropy = -(weights * overlaps.sum_by_class(overlaps.log_probability)).sum()
    return _divide(entropy, (weights * overlaps.reference).sum())


def focal(overlaps: Overlaps, *, gamma: float) -> torch.Tensor:
    """Mean of -(1 - p)^gamma log p (Lin et al. 2017), p of the annotated class in the softmax."""
    log_p = overlaps.log_probabilities
    # a certain answer has no gradient; without the bound it had an infinite one for gamma < 1
    doubt = (-torch.expm1(log_p)).clamp_min(1e-12)
    return -(doubt**gamma * log_p).sum() / overlaps.n_annotated


def dice(overlaps: Overlaps) -> torch.Tensor:
    """One minus the soft Dice coefficient (Milletari et al. 2016), mean over the classes.

    With sums where the paper has sums of squares (Drozdzal et al. 2016). A class without a pixel
    in the reference adds 0 to the mean.
    """
    return tversky(overlaps, alpha=0.5, beta=0.5)


def weighted_dice(weights: torch.Tensor, overlaps: Overlaps) -> torch.Tensor:
    """Dice loss as a mean over the classes that is weighted by `weights`, ``(k,)``."""
    return _divide((weights * _lack(overlaps, alpha=0.5, beta=0.5)).sum(), weights.sum())


def tversky(overlaps: Overlaps, *, alpha: float, beta: float) -> torch.Tensor:
    """One minus the Tversky index (Salehi et al. 2017), mean over the classes as in dice.

    Parameters
    ----------
    alpha, beta
        Weight of false positive and of false negative pixels; 0.5 and 0.5 are Dice.
    """
    return _lack(overlaps, alpha=alpha, beta=beta).mean()


def generalised_dice(overlaps: Overlaps) -> torch.Tensor:
    """Generalised Dice loss (Sudre et al. 2017): classes pooled with weights 1 / volume^2.

    The volume is that of the class in the batch's reference; a class without a pixel there has
    weight 0.
    """
    volume = overlaps.reference
    weights = torch.where(volume > 0, 1 / volume.clamp_min(1) ** 2, 0.0)
    wrong = overlaps.false_positive + overlaps.false_negative
    return _divide((weights * wrong).sum(), (weights * (overlaps.predicted + volume)).sum())


def lovasz(overlaps: Overlaps) -> torch.Tensor:
    """Lovász-Softmax (Berman et al. 2018, algorithm 1): a surrogate of 1 - IoU.

    Mean over the classes present in the batch's reference. Each class's errors are sorted, which
    takes longer than any other loss.
    """
    annotated = overlaps.annotated.flatten()
    p = F.softmax(overlaps.logits.float(), dim=1).transpose(0, 1).flatten(1)[:, annotated]
    index = overlaps.index.flatten()[annotated]
    if not len(index):
        return p.sum()
    costs = []
    for c in torch.unique(index).tolist():
        foreground = index == c
        errors = torch.where(foreground, 1 - p[c], p[c])
        costs.append((errors * _weigh_errors(errors.detach(), foreground)).sum())
    return torch.stack(costs).mean()


def _weigh_errors(errors: torch.Tensor, foreground: torch.Tensor) -> torch.Tensor:
    """Share ``(m,)`` of each pixel in the Lovász extension of a class's Jaccard loss."""
    order = _sort_downwards(errors)
    # whole numbers: exact for any size, and repeatable on a GPU
    found = foreground[order].cumsum(0)
    n = found[-1]
    ranks = torch.arange(1, len(errors) + 1, device=errors.device)
    jaccard = 1 - (n - found) / (n + ranks - found)
    rises = torch.diff(jaccard, prepend=jaccard.new_zeros(1))
    return torch.empty_like(errors).scatter_(0, order, rises)


def _sort_downwards(values: torch.Tensor) -> torch.Tensor:
    """Positions ``(m,)`` of values from 0, the largest first.

    The bits of such floats are in the order of the floats. With the position in the lower half of
    a whole number, a plain sort does; on a CPU it takes less than half the time of argsort.
    """
    bits = values.view(torch.int32).to(torch.int64)
    keys = (-bits << 32) | torch.arange(len(values), device=values.device)
    return keys.sort().values & 0xFFFFFFFF


def _lack(overlaps: Overlaps, *, alpha: float, beta: float) -> torch.Tensor:
    """``(k,)``: one minus the smoothed Tversky index; 0 for classes without a reference."""
    found = overlaps.true_positive
    wrong = alpha * overlaps.false_positive + beta * overlaps.false_negative
    lack: torch.Tensor = 1 - (found + _SMOOTH) / (found + wrong + _SMOOTH)
    return lack * (overlaps.reference > 0)


def _divide(value: torch.Tensor, by: torch.Tensor) -> torch.Tensor:
    """Divide; 0 where both are 0."""
    return value / by.clamp_min(torch.finfo(by.dtype).tiny)

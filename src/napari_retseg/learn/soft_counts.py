"""What a batch's softmax says about its reference: the few numbers that most losses are made of."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch.autograd.function import once_differentiable
from torch.nn import functional as F


@dataclass(frozen=True)
class Overlaps:
    """Softmax probabilities set against the reference, over the annotated pixels of a batch.

    Attributes
    ----------
    logits
        ``(n, k, *spatial)``, as the network gave them.
    annotated
        ``(n, *spatial)``, bool: where one class is named.
    index
        ``(n, *spatial)``, int64: the annotated class, 0 where there is none.
    log_probability
        ``(n, *spatial)``, float32: of the annotated class; 0 where there is none.
    predicted
        ``(k,)``: sum of each class's probabilities, over the pixels where a partial label does not
        leave it open, too.
    of_partial
        ``(m,)``, float32: log-probability of the classes together that a partial label names, of
        each pixel with such a label.
    """

    logits: torch.Tensor
    annotated: torch.Tensor
    index: torch.Tensor
    log_probability: torch.Tensor
    predicted: torch.Tensor
    of_partial: torch.Tensor

    @cached_property
    def n_annotated(self) -> torch.Tensor:
        """Number of pixels with a label, whole or partial; at least 1 so that one can divide."""
        return (self.annotated.sum() + len(self.of_partial)).clamp_min(1)

    @property
    def log_probabilities(self) -> torch.Tensor:
        """Log-probability of what is said of each pixel, as one row; 0 where nothing is."""
        return torch.cat([self.log_probability.flatten(), self.of_partial])

    @cached_property
    def reference(self) -> torch.Tensor:
        """``(k,)``: number of pixels that are annotated as each class."""
        return self.sum_by_class(self.annotated.float())

    @cached_property
    def true_positive(self) -> torch.Tensor:
        """``(k,)``: sum of each class's probabilities over its own pixels."""
        return self.sum_by_class(self.log_probability.exp() * self.annotated)

    @property
    def false_positive(self) -> torch.Tensor:
        """``(k,)``: sum of each class's probabilities over the pixels of other classes."""
        return self.predicted - self.true_positive

    @property
    def false_negative(self) -> torch.Tensor:
        """``(k,)``: what the probabilities over each class's own pixels lack."""
        return self.reference - self.true_positive

    def sum_by_class(self, values: torch.Tensor) -> torch.Tensor:
        """Sum a value of each pixel, 0 where nothing is annotated, over each class's pixels."""
        rows = values.new_zeros(*values.shape[:-1], len(self.predicted))
        return rows.scatter_add(-1, self.index, values).flatten(0, -2).sum(0)


def compare(
    logits: torch.Tensor, target: torch.Tensor, partial: tuple[tuple[int, ...], ...] = ()
) -> Overlaps:
    """Take the softmax of logits and set it against the reference.

    Parameters
    ----------
    logits
        ``(n, k, *spatial)`` in any precision; computed with in float32.
    target
        ``(n, *spatial)``, int64, class indices, or k and more for partial labels; 255 where
        nothing is annotated.
    partial
        The classes that each partial label leaves open, that of index k first.
    """
    k = logits.shape[1]
    annotated = target < k
    index = torch.where(annotated, target, 0)
    log_probability, predicted = _Softmax.apply(logits, index, annotated)
    logs = [predicted.new_zeros(0)]
    for number, members in enumerate(partial, start=k):
        of_members, others = _compare_partial(logits, target == number, members)
        logs.append(of_members)
        predicted = predicted + others
    return Overlaps(logits, annotated, index, log_probability, predicted, torch.cat(logs))


def _compare_partial(
    logits: torch.Tensor, chosen: torch.Tensor, members: tuple[int, ...]
) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probability of the members together, of each chosen pixel; sums of all others."""
    log_p = F.log_softmax(logits.movedim(1, -1)[chosen].float(), dim=-1)
    is_open = torch.zeros(logits.shape[1], dtype=torch.bool, device=logits.device)
    is_open[list(members)] = True
    others = torch.where(is_open, 0.0, log_p.exp().sum(0))
    return torch.logsumexp(log_p[:, is_open], dim=1), others


class _Softmax(torch.autograd.Function):
    """Log-probability of each pixel's class, and the sums of all classes' probabilities.

    With one softmax for all terms of a loss, and its gradient in closed form: for a pixel with
    probabilities p and annotated class y, g the gradient of log p_y and G that of the sums, it is
    p_k (G_k - sum_j G_j p_j - g) + [k = y] g.
    """

    @staticmethod
    def forward(
        ctx: Any, logits: torch.Tensor, index: torch.Tensor, annotated: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        plain = logits.to(torch.float32, memory_format=torch.contiguous_format)
        log_p = F.log_softmax(plain, dim=1)
        chosen = torch.where(annotated, log_p.gather(1, index[:, None])[:, 0], 0.0)
        p = log_p.exp_().mul_(annotated[:, None])
        ctx.save_for_backward(p, index, annotated)
        ctx.precision = logits.dtype
        return chosen, p.flatten(2).sum((0, 2))

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, of_chosen: torch.Tensor, of_sums: torch.Tensor
    ) -> tuple[torch.Tensor, None, None]:
        p, index, annotated = ctx.saved_tensors
        of_chosen = torch.where(annotated, of_chosen, 0.0)
        flat = p.flatten(2)
        # autocast, were it on here, would multiply in half precision
        with torch.autocast(p.device.type, enabled=False):
            shared = torch.matmul(of_sums, flat).add_(of_chosen.flatten(1))
        gradient = torch.sub(of_sums[:, None], shared[:, None]).mul_(flat).view_as(p)
        gradient.scatter_add_(1, index[:, None], of_chosen[:, None])
        return gradient.to(ctx.precision), None, None

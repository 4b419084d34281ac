"""Classes that are made of finer ones: a network keeps these apart, and adds them up."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import torch
from torch import nn

Logits = torch.Tensor | tuple[torch.Tensor, ...]


def add_up_parts(network: nn.Module, parts: tuple[tuple[str, ...], ...]) -> None:
    """Let a network return logits of classes, each of which several of its outputs make up.

    The probability of a class is the sum of those of its parts: its logit is the logarithm of the
    sum of their exponentials. What is trained with a class thus leaves open which part it is.

    Parameters
    ----------
    network
        Returns logits ``(n, parts, *spatial)`` (or several such), and ``(n, classes, *spatial)``
        afterwards. Its tensors and their names stay.
    parts
        Of each class, in the order of the outputs; empty: nothing is done.
    """
    if parts:
        network.register_forward_hook(_AddUp(tuple(map(len, parts))))


@dataclass(frozen=True)
class _AddUp:
    """A forward hook."""

    sizes: tuple[int, ...]

    def __call__(self, _module: nn.Module, _inputs: Any, output: Logits) -> Logits:
        if isinstance(output, torch.Tensor):
            return self._add_up(output)
        return tuple(map(self._add_up, output))

    def _add_up(self, logits: torch.Tensor) -> torch.Tensor:
        starts = accumulate(self.sizes, initial=0)
        pieces = [
            logits[:, start : start + size]
            if size == 1
            else logits[:, start : start + size].logsumexp(dim=1, keepdim=True)
            for start, size in zip(starts, self.sizes, strict=False)
        ]
        return torch.cat([piece.to(logits.dtype) for piece in pieces], dim=1)

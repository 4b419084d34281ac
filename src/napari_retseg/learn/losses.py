"""Losses that honour "not annotated"."""

from __future__ import annotations

import segmentation_models_pytorch as smp
import torch
from torch.nn import functional as F

from napari_retseg.classes import IGNORE


class CrossEntropyDice(torch.nn.Module):
    """Mean of cross-entropy and soft Dice loss (Milletari 2016), pooled over the batch.

    Takes logits ``(n, n_classes, depth, width)`` and class indices ``(n, depth, width)``;
    pixels of index 255 have no part in the value nor in the gradient. At least one pixel
    must be annotated.
    """

    def __init__(self) -> None:
        super().__init__()
        self._dice = smp.losses.DiceLoss(mode="multiclass", ignore_index=IGNORE, smooth=1.0)

    def forward(self, logits: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        """Return the scalar loss."""
        logits = logits.float()
        entropy = F.cross_entropy(logits, target, ignore_index=IGNORE)
        dice: torch.Tensor = self._dice(logits, target)
        return 0.5 * entropy + 0.5 * dice

"""Exponential moving average of a network's weights and BatchNorm statistics."""

from __future__ import annotations

import copy

import torch


class WeightAverage:
    """Average of the weights over the last steps; steadier than the weights themselves.

    The decay starts low and rises to `decay`, so that the first steps do not linger.

    Parameters
    ----------
    decay
        Share of the average that a step keeps; 0 makes the average equal to the weights.
    """

    def __init__(self, network: torch.nn.Module, decay: float) -> None:
        self.network = copy.deepcopy(network).requires_grad_(requires_grad=False)
        self._decay = decay

    @torch.no_grad()
    def update(self, network: torch.nn.Module, step: int) -> None:
        """Take in the weights after `step` steps (1, 2, ...)."""
        decay = min(self._decay, step / (step + 10)) if self._decay else 0.0
        averaged, current = self.network.state_dict(), network.state_dict()
        floating = [n for n, tensor in averaged.items() if tensor.is_floating_point()]
        torch._foreach_lerp_(
            [averaged[n] for n in floating], [current[n] for n in floating], 1 - decay
        )
        for name in averaged.keys() - set(floating):
            averaged[name].copy_(current[name])

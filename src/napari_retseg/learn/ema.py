"""Averages of weights and BatchNorm statistics: over the last steps, and with the start."""

from __future__ import annotations

import copy

import torch

from napari_retseg.config import TrainConfig, parse_strategy
from napari_retseg.learn.setup import Setup
from napari_retseg.models.outputs import list_outputs, match_classes
from napari_retseg.nets.transfer import transfer

#: Without a number: this share of the starting weights, with up to so many training scans
#: (docs/starter.md has what it was chosen by).
_KEPT = ((2, 0.8), (20, 0.4), (100, 0.15))
#: A starting model whose mean foreground Dice is lower knows too little to be kept in part.
_LEAST_DICE = 0.5


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


def share_of_start(config: TrainConfig, *, n_samples: int, start_dice: float | None) -> float:
    """Share of the starting weights in those that are scored and kept.

    Parameters
    ----------
    n_samples
        Number of training scans: B-scans, or volumes in 3D.
    start_dice
        The starting model's mean foreground Dice on the held-out scans; None where unknown.
    """
    if config.keep_start != "auto":
        return config.keep_start
    if start_dice is None or start_dice < _LEAST_DICE:
        return 0.0
    return next((share for most, share in _KEPT if n_samples <= most), 0.0)


def can_keep_start(setup: Setup) -> bool:
    """Whether every weight has its counterpart in the starting model.

    That is so where network and input are the same, each class is one of its classes or made of
    several, and no layer was replaced.
    """
    start = setup.start
    if start is None or parse_strategy(setup.config.strategy).kind == "last-three":
        return False
    before, after = start.info, setup.info
    kept = before.preprocess.model_copy(update={"trained_size": after.preprocess.trained_size})
    outputs = {name: getattr(after.network, name) for name in ("n_classes", "parts")}
    network = before.network.model_copy(update=outputs)
    has_all = all(match_classes(list_outputs(before.network, before.classes), after.classes))
    return has_all and (network, kept) == (after.network, after.preprocess)


def build_start(setup: Setup) -> torch.nn.Module | None:
    """Build the starting model's network with the classes of the new one; None without one."""
    start = setup.start
    if start is None or start.info.network == setup.info.network:
        return None if start is None else start.network
    classes, network = setup.info.classes, setup.info.network
    return transfer(start, network=network, classes=classes, seed=setup.config.seed)[0]


@torch.no_grad()
def mix(network: torch.nn.Module, start: torch.nn.Module, share: float) -> torch.nn.Module:
    """Average two networks' weights (Wortsman et al., CVPR 2022: WiSE-FT).

    Fine-tuned weights lie in one valley with those that they started from; between them, a
    network knows about as much of the new scans and has forgotten less of all others.

    Parameters
    ----------
    network
        Stays as it is.
    start
        The same network before it was trained.
    share
        Of `start`, 0 to 1.

    Returns
    -------
    torch.nn.Module
        On the device of `network`, which it is itself for a share of 0.
    """
    if share == 0:
        return network
    mixed = copy.deepcopy(network)
    before = start.state_dict()
    for name, tensor in mixed.state_dict().items():
        if tensor.is_floating_point():
            tensor.lerp_(before[name].to(tensor), share)
    return mixed

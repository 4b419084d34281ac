"""Optimisers, their learning rates, clipping, and the pull towards the starting weights."""

from __future__ import annotations

import math
from collections.abc import Container, Iterable
from typing import Any

import torch

from napari_retseg.config import TrainConfig
from napari_retseg.errors import ModelError


def build_optimizer(
    network: torch.nn.Module,
    config: TrainConfig,
    *,
    encoder: Iterable[torch.nn.Parameter],
    device: torch.device,
    later: Iterable[torch.nn.Parameter] = (),
) -> torch.optim.Optimizer:
    """Build the optimizer over all parameters that are trained.

    Weight decay is L2 in the gradient in sgd and adam (Kingma and Ba 2015), decoupled in adamw
    (Loshchilov and Hutter 2019); biases and norms have none. Each group of parameters has
    ``lr_factor``, its part of the rate that :func:`set_rate` gives it.

    Parameters
    ----------
    encoder
        The encoder's parameters, trained at ``encoder_lr`` of the rate (discriminative rates,
        Howard and Ruder 2018).
    later
        Parameters that are frozen now and will be trained later; they are left alone until they
        have a gradient.
    """
    slow, awaited = {id(p) for p in encoder}, {id(p) for p in later}
    thaws = bool(awaited) or config.unfreeze > 0
    groups: dict[tuple[float, float], list[torch.nn.Parameter]] = {}
    for parameter in network.parameters():
        if parameter.requires_grad or id(parameter) in awaited:
            factor = config.encoder_lr if id(parameter) in slow else 1.0
            decay = config.weight_decay if parameter.ndim > 1 else 0.0
            groups.setdefault((factor, decay), []).append(parameter)
    # torch's fused SGD fails where parameters get their first gradient after others of a group
    fused = device.type in ("cpu", "cuda") and not (thaws and config.optimizer == "sgd")
    optimizer = _create(config, _describe(groups), fused=fused)
    set_rate(optimizer, config.lr)
    return optimizer


def _describe(
    groups: dict[tuple[float, float], list[torch.nn.Parameter]],
) -> list[dict[str, Any]]:
    return [
        {"params": parameters, "weight_decay": decay, "lr_factor": factor}
        for (factor, decay), parameters in groups.items()
    ]


def _create(
    config: TrainConfig, groups: list[dict[str, Any]], *, fused: bool
) -> torch.optim.Optimizer:
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=config.momentum, fused=fused)
    if config.optimizer == "adam":
        return torch.optim.Adam(groups, lr=config.lr, fused=fused)
    return torch.optim.AdamW(groups, lr=config.lr, fused=fused)


def set_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """Set the learning rate of the next step: `rate` times each group's ``lr_factor``."""
    for group in optimizer.param_groups:
        group["lr"] = rate * group["lr_factor"]


def clip_gradients(parameters: Iterable[torch.nn.Parameter], largest: float) -> float:
    """Scale all gradients by one factor so that their norm is `largest` at most.

    Parameters
    ----------
    largest
        0 leaves them as they are.

    Returns
    -------
    float
        The L2 norm over all of them before that.
    """
    norm = torch.nn.utils.clip_grad_norm_(list(parameters), largest or math.inf)
    return float(norm)


class StartingPoint:
    """Pull towards the starting weights: L2-SP (Li, Grandvalet and Davoine 2018, equation 3).

    It is the gradient of ``strength / 2 * |w - w0|^2``, w0 the weights at construction.

    Parameters
    ----------
    network
        With its starting weights.
    strength
        Of the pull.
    names
        Parameters that come from the starting model; new ones are not pulled. Without it, all.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        strength: float,
        *,
        names: Container[str] | None = None,
    ) -> None:
        self._strength = strength
        self._weights = {
            name: parameter.detach().clone()
            for name, parameter in network.named_parameters()
            if names is None or name in names
        }

    @torch.no_grad()
    def add_to_gradients(self, network: torch.nn.Module) -> None:
        """Add the pull to the gradients, which must not be scaled; frozen ones have none."""
        for name, parameter in network.named_parameters():
            start = self._weights.get(name)
            if start is not None and parameter.requires_grad and parameter.grad is not None:
                parameter.grad.add_(parameter - start, alpha=self._strength)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the starting weights by name."""
        return dict(self._weights)

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Take over starting weights that :meth:`state_dict` gave, here or on another device.

        Raises
        ------
        ModelError
            Where they are of other parameters.
        """
        if state.keys() != self._weights.keys():
            differing = ", ".join(sorted(state.keys() ^ self._weights.keys()))
            raise ModelError(
                "the starting weights in the checkpoint are of another network (different "
                f"{differing}); start a new run"
            )
        self._weights = {name: w.to(self._weights[name]) for name, w in state.items()}

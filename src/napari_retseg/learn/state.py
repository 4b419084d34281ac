"""Everything that changes during a training, and that a checkpoint must hold."""

from __future__ import annotations

from typing import Any

import torch

from napari_retseg.config import TrainConfig
from napari_retseg.learn.average import WeightAverage
from napari_retseg.learn.losses import CrossEntropyDice
from napari_retseg.learn.schedule import learning_rate
from napari_retseg.learn.setup import Setup

_MOMENTUM = 0.9


class TrainingState:
    """Network, averaged weights, optimiser and scores of a training in progress.

    Nothing else needs to be kept: learning rate, samples, augmentation and dropout follow
    from the seed and the iteration.
    """

    def __init__(self, setup: Setup) -> None:
        config = setup.config
        self.setup = setup
        self.network = setup.network.train()
        self.average = WeightAverage(self.network, config.ema)
        self.iteration = 0
        self.scored_at = 0
        self.start_scores: dict[str, Any] | None = None
        self.best_scores: dict[str, Any] | None = None
        self.last_scores: dict[str, Any] | None = None
        self.best_iteration: int | None = None
        self._loss = CrossEntropyDice()
        self._optimizer = _build_optimizer(self.network, config, setup.compute.device)
        self._scaler = torch.amp.GradScaler(
            setup.compute.device.type, enabled=setup.compute.dtype == torch.float16
        )

    @property
    def is_score_due(self) -> bool:
        """Whether the held-out scans are to be scored before the next step."""
        if self.scored_at == self.iteration:
            return False
        config = self.setup.config
        return self.iteration % config.score_every == 0 or self.iteration == config.iterations

    @property
    def scored_until(self) -> int:
        """Iteration of the latest scores, those of the starting model too; -1 before any."""
        return -1 if self.scored_at == 0 and self.start_scores is None else self.scored_at

    def step(self, images: torch.Tensor, labels: torch.Tensor) -> tuple[float, float]:
        """Take one optimiser step; return the loss before it and the learning rate."""
        config, compute = self.setup.config, self.setup.compute
        rate = learning_rate(
            config.schedule, highest=config.lr, iteration=self.iteration, total=config.iterations
        )
        for group in self._optimizer.param_groups:
            group["lr"] = rate
        images = images.contiguous(memory_format=torch.channels_last)
        devices = [compute.device] if compute.device.type == "cuda" else []
        with torch.random.fork_rng(devices=devices):
            torch.manual_seed(config.seed * 1_000_003 + self.iteration)
            with compute.autocast():
                logits = self.network(images)
        loss = self._loss(logits, labels)
        value = float(loss.detach())
        self._optimizer.zero_grad(set_to_none=True)
        self._scaler.scale(loss).backward()
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self.iteration += 1
        self.average.update(self.network, self.iteration)
        return value, rate

    def take_scores(self, scores: dict[str, Any]) -> bool:
        """Note the scores of this iteration; return whether they are the best so far."""
        self.scored_at = self.iteration
        self.last_scores = scores
        best = (self.best_scores or {}).get("mean_foreground_dice")
        now = scores["mean_foreground_dice"]
        is_best = self.best_scores is None or (now is not None and (best is None or now > best))
        if is_best:
            self.best_scores, self.best_iteration = scores, self.iteration
        return is_best

    def snapshot(self) -> dict[str, Any]:
        """Return the full state, to be saved."""
        return {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "scaler": self._scaler.state_dict(),
            "iteration": self.iteration,
            "scored_at": self.scored_at,
            "start_scores": self.start_scores,
            "best_scores": self.best_scores,
            "last_scores": self.last_scores,
            "best_iteration": self.best_iteration,
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Take over a state that :meth:`snapshot` gave."""
        self.network.load_state_dict(state["network"])
        self.average.network.load_state_dict(state["average"])
        self._optimizer.load_state_dict(state["optimizer"])
        self._scaler.load_state_dict(state["scaler"])
        self.iteration = state["iteration"]
        self.scored_at = state["scored_at"]
        self.start_scores = state["start_scores"]
        self.best_scores = state["best_scores"]
        self.last_scores = state["last_scores"]
        self.best_iteration = state["best_iteration"]


def _build_optimizer(
    network: torch.nn.Module, config: TrainConfig, device: torch.device
) -> torch.optim.Optimizer:
    """Build the optimiser; biases and norms are not pulled towards zero."""
    trained = [p for p in network.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim > 1], "weight_decay": config.weight_decay},
        {"params": [p for p in trained if p.ndim <= 1], "weight_decay": 0.0},
    ]
    fused = device.type in ("cpu", "cuda")
    if config.optimizer == "sgd":
        return torch.optim.SGD(groups, lr=config.lr, momentum=_MOMENTUM, fused=fused)
    return torch.optim.AdamW(groups, lr=config.lr, fused=fused)

"""Everything that changes during a training, and that a checkpoint must hold."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any

import torch
from pydantic import Field

from napari_retseg.config import Frozen, parse_strategy
from napari_retseg.errors import InputError
from napari_retseg.learn.ema import WeightAverage, build_start, mix
from napari_retseg.learn.gate import pass_gate
from napari_retseg.learn.optimise import StartingPoint, build_optimizer
from napari_retseg.learn.setup import Setup
from napari_retseg.models import ScoreSheet
from napari_retseg.nets.freeze import set_modes, thaw
from napari_retseg.nets.stages import find_parts
from napari_retseg.records import check_record

_Count = Annotated[int, Field(ge=0)]
#: What networks and optimisers raise where a state is not theirs.
_MISFITS = (AttributeError, LookupError, RuntimeError, TypeError, ValueError)


class _Plain(Frozen):
    """What a state holds besides tensors; attributes of :class:`TrainingState`."""

    iteration: _Count
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    chunk: Annotated[int, Field(ge=1)]
    scored_at: _Count
    start_scores: ScoreSheet | None
    start_rehearsed: ScoreSheet | None
    best_scores: ScoreSheet | None
    last_scores: ScoreSheet | None
    last_rehearsed: ScoreSheet | None
    best_iteration: _Count | None
    history: list[Annotated[float, Field(ge=-1, le=1)]]


class _Tensors(Frozen):
    """The parts of a state that networks and optimisers read themselves."""

    network: dict[str, Any]
    average: dict[str, Any]
    optimizer: dict[str, Any]
    scaler: dict[str, Any]
    starting_point: dict[str, Any] | None


_PLAIN = tuple(_Plain.model_fields)


class TrainingState:
    """Network, averaged weights, optimizer and scores of a training in progress.

    Nothing else needs to be kept: learning rate, samples, augmentation and dropout follow
    from the seed and the iteration.

    Attributes
    ----------
    seconds
        Time of all steps so far.
    share_of_start
        Of the starting weights in what is scored and kept; the training scans decide.
    chunk
        Samples that go through the network at once; halved where memory runs out.
    history
        Mean foreground Dice of each scoring; -1 where there is none.
    """

    def __init__(self, setup: Setup) -> None:
        config = setup.config
        self.setup = setup
        self.network = setup.network
        self.average = WeightAverage(self.network, config.ema)
        self.iteration = 0
        self.seconds = 0.0
        self.chunk = config.batch_size
        self.scored_at = 0
        self.start_scores: dict[str, Any] | None = None
        self.start_rehearsed: dict[str, Any] | None = None
        self.best_scores: dict[str, Any] | None = None
        self.last_scores: dict[str, Any] | None = None
        self.last_rehearsed: dict[str, Any] | None = None
        self.best_iteration: int | None = None
        self.history: list[float] = []
        self.optimizer = self._build_optimizer()
        self.scaler = torch.amp.GradScaler(
            setup.compute.device.type, enabled=setup.compute.dtype == torch.float16
        )
        self.starting_point: StartingPoint | None = None
        if config.l2_sp:
            self.starting_point = StartingPoint(
                self.network, config.l2_sp, names=find_carried(setup)
            )
        self.share_of_start = 0.0
        self._start: torch.nn.Module | None = None
        self.thaw()

    def _build_optimizer(self) -> torch.optim.Optimizer:
        """Build it over all that is trained, now or (with gradual unfreezing) later."""
        setup = self.setup
        encoder = find_parts(setup.network, setup.info.network).encoder_parameters()
        return build_optimizer(
            self.network, setup.config, encoder=encoder, device=setup.compute.device
        )

    def thaw(self) -> None:
        """Set what is trained at this iteration, and the modes that go with it."""
        config = self.setup.config
        thaw(
            self.network,
            self.setup.info.network,
            parse_strategy(config.strategy),
            iteration=self.iteration,
            every=config.unfreeze,
        )
        set_modes(self.network)

    @property
    def kept_network(self) -> torch.nn.Module:
        """What is scored and kept: the averaged weights, with a share of the starting ones."""
        if self.share_of_start == 0:
            return self.average.network
        if self._start is None:
            self._start = build_start(self.setup)
        if self._start is None:
            return self.average.network
        return mix(self.average.network, self._start, self.share_of_start)

    @property
    def scored_until(self) -> int:
        """Iteration of the latest scores, those of the starting model too; -1 before any."""
        return -1 if self.scored_at == 0 and self.start_scores is None else self.scored_at

    @property
    def is_promoted(self) -> bool | None:
        """Whether the best model is not worse than the starting one; None: it cannot be told."""
        return pass_gate(self.start_scores, self.best_scores)

    @property
    def is_stale(self) -> bool:
        """Whether the scores have not risen for as long as the configuration allows."""
        patience = self.setup.config.patience
        if not patience or not self.history:
            return False
        best = self.history.index(max(self.history))
        return len(self.history) - 1 - best >= patience

    def take_scores(
        self, scores: dict[str, Any], *, rehearsed: dict[str, Any] | None = None
    ) -> bool:
        """Note the scores of this iteration; return whether they are the best so far."""
        self.scored_at = self.iteration
        self.last_scores, self.last_rehearsed = scores, rehearsed
        best = (self.best_scores or {}).get("mean_foreground_dice")
        now = scores["mean_foreground_dice"]
        self.history.append(-1.0 if now is None else now)
        is_best = self.best_scores is None or (now is not None and (best is None or now > best))
        if is_best:
            self.best_scores, self.best_iteration = scores, self.iteration
        return is_best

    def snapshot(self) -> dict[str, Any]:
        """Return the full state, to be saved."""
        anchor = None if self.starting_point is None else self.starting_point.state_dict()
        return {
            "network": self.network.state_dict(),
            "average": self.average.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.scaler.state_dict(),
            "starting_point": anchor,
            **{name: getattr(self, name) for name in _PLAIN},
        }

    def restore(self, state: dict[str, Any], source: Path | str = "checkpoint") -> None:
        """Take over a state that :meth:`snapshot` gave.

        Parameters
        ----------
        source
            Where it comes from, for messages.

        Raises
        ------
        InputError
            Where a part is missing, of another type or of another network, or not finite.
        """
        there = {name: state[name] for name in state if name in _PLAIN}
        plain = check_record(there, _Plain, source)
        parts = {name: state[name] for name in state if name in _Tensors.model_fields}
        tensors = check_record(parts, _Tensors, source)
        try:
            self._restore_tensors(tensors)
        except _MISFITS as error:
            reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
            raise InputError(
                f"{source}: does not fit the run ({reason}); start a new run from the model "
                "in the run folder"
            ) from error
        for network in (self.network, self.average.network):
            _check_finite(network, source)
        for name in _PLAIN:
            setattr(self, name, getattr(plain, name))
        self.thaw()

    def _restore_tensors(self, state: _Tensors) -> None:
        self.network.load_state_dict(state.network)
        self.average.network.load_state_dict(state.average)
        self._restore_optimizer(state.optimizer)
        self.scaler.load_state_dict(_check_numbers(state.scaler))
        if state.starting_point is not None:
            names = set(state.starting_point)
            self.starting_point = StartingPoint(self.network, self.setup.config.l2_sp, names=names)
            self.starting_point.load_state_dict(state.starting_point)

    def _restore_optimizer(self, state: dict[str, Any]) -> None:
        """Take over what the optimizer keeps of each weight; its settings are the run's own."""
        settings = [
            {name: value for name, value in group.items() if name != "params"}
            for group in self.optimizer.param_groups
        ]
        self.optimizer.load_state_dict(state)
        for group, own in zip(self.optimizer.param_groups, settings, strict=True):
            group.update(own)
        for parameter, kept in self.optimizer.state.items():
            for name, value in kept.items():
                if value is not None and not (
                    isinstance(value, torch.Tensor)
                    and value.shape in (parameter.shape, torch.Size())
                ):
                    raise ValueError(f"{name} of the optimizer does not fit its weight")


def _check_numbers(state: dict[str, Any]) -> dict[str, Any]:
    wrong = [n for n, v in state.items() if type(v) not in (int, float) or not math.isfinite(v)]
    if wrong:
        raise ValueError(f"{wrong[0]} of the scaler is not a number")
    return state


def _check_finite(network: torch.nn.Module, source: Path | str) -> None:
    for name, tensor in network.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise InputError(
                f"{source}: {name} contains NaN or infinity; start a new run from the model "
                "in the run folder"
            )


def find_carried(setup: Setup) -> set[str]:
    """Names of the parameters whose values are still those of the starting model."""
    if setup.start is None:
        return set()
    before = setup.start.network.state_dict()
    return {
        name
        for name, parameter in setup.network.named_parameters()
        if name in before and torch.equal(before[name], parameter.detach().cpu())
    }

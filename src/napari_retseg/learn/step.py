"""One optimizer step: forward and backward in chunks that fit into memory, then the update."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from napari_retseg.errors import InputError
from napari_retseg.events import Message
from napari_retseg.learn.exchange import ALONE, Exchange
from napari_retseg.learn.optimise import clip_gradients, set_rate
from napari_retseg.learn.state import TrainingState
from napari_retseg.learn.teacher import Lesson, label_lesson, take_part
from napari_retseg.plural import count_noun

_MEMORY_WORDS = ("out of memory", "can't allocate memory", "not enough memory")


@dataclass(frozen=True, slots=True)
class StepResult:
    """Loss before the step; and what the user should know, where memory ran out."""

    loss: float
    notes: tuple[Message, ...] = ()


def take_step(
    state: TrainingState,
    loss: torch.nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    *,
    rate: float,
    lesson: Lesson | None = None,
    exchange: Exchange = ALONE,
) -> StepResult:
    """Take one optimizer step on a batch, and on a lesson without labels where there is one.

    The batch goes through the network in chunks whose gradients add up. Where memory runs out,
    chunks are halved, from then on, and the step is taken again. Of several processes, each
    computes some of the chunks, and all take the same step.

    Raises
    ------
    InputError
        Where the loss or its gradient is not a number (no weight has changed then), or memory
        does not hold a single sample.
    """
    notes: list[Message] = []
    exchange.begin(state.network)
    while True:
        try:
            value = _add_gradients(state, loss, images, labels, lesson, exchange)
            break
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
        notes.append(_halve(state))
        exchange.begin_again()
    value = exchange.add_up(state.network, value)
    if bad := _name_not_finite(state, value):
        raise InputError(
            f"the {bad} of iteration {state.iteration + 1} is not finite; the last good "
            "checkpoint is in the run folder; start again with a lower --lr, or with --clip 1"
        )
    _update(state, rate)
    return StepResult(value, tuple(notes))


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error of torch, on any device, or of Python says that memory ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return any(words in str(error).lower() for words in _MEMORY_WORDS)


def _halve(state: TrainingState) -> Message:
    state.optimizer.zero_grad(set_to_none=True)
    if state.chunk == 1:
        raise InputError(
            "not enough memory for a single sample; the last good checkpoint is in the run "
            "folder; start again with a smaller --crop, or a smaller network"
        )
    state.chunk //= 2
    if state.setup.compute.device.type == "cuda":
        torch.cuda.empty_cache()
    text = (
        "memory is short: batches are now computed in parts of "
        f"{count_noun(state.chunk, 'sample')}; the batch size stays the same"
    )
    return Message(text, "warning")


def _add_gradients(
    state: TrainingState,
    loss: torch.nn.Module,
    images: torch.Tensor,
    labels: torch.Tensor,
    lesson: Lesson | None,
    exchange: Exchange,
) -> float:
    """Forward and backward; return the mean loss, with that of the lesson."""
    config, compute = state.setup.config, state.setup.compute
    state.optimizer.zero_grad(set_to_none=True)
    total = torch.zeros((), device=images.device)
    devices = [compute.device] if compute.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        for part in exchange.cut(len(images), batch=config.batch_size, chunk=state.chunk):
            _seed(state, part.start)
            share = len(images[part]) / len(images)
            value = share * _compute_loss(state, loss, images[part], labels[part])
            state.scaler.scale(value).backward()  # type: ignore[no-untyped-call]
            total += value.detach()
        exchange.mark()
        if lesson is not None:
            total += _add_lesson(state, loss, lesson, exchange, first=len(images))
            exchange.mark()
    return float(total)


def _seed(state: TrainingState, sample: int) -> None:
    """Let dropout follow from the sample with which a chunk begins, whoever computes it."""
    seed = state.setup.config.seed * 1_000_003 + state.iteration + (sample << 40)
    torch.manual_seed(seed % 2**63)


def _add_lesson(
    state: TrainingState, loss: torch.nn.Module, lesson: Lesson, exchange: Exchange, *, first: int
) -> torch.Tensor:
    """Forward and backward on samples that the averaged network labels; return their loss."""
    teacher = state.kept_network
    total = torch.zeros((), device=lesson.weak.device)
    batch = state.setup.config.batch_size
    for chunk in exchange.cut(len(lesson), batch=batch, chunk=state.chunk):
        _seed(state, first + chunk.start)
        part = take_part(lesson, chunk)
        labels = label_lesson(teacher, state.setup.compute, part)
        share = lesson.weight * len(part) / len(lesson)
        value = share * _compute_loss(state, loss, part.strong, labels)
        state.scaler.scale(value).backward()  # type: ignore[no-untyped-call]
        total += value.detach()
    return total


def _name_not_finite(state: TrainingState, loss: float) -> str:
    """Name what is not a number; empty where all is well."""
    if not math.isfinite(loss):
        return "loss"
    if state.scaler.is_enabled():
        return ""  # gradients that overflow are expected with fp16: the scaler leaves them out
    gradients = [p.grad for p in state.network.parameters() if p.grad is not None]
    return "" if torch.nn.utils.get_total_norm(gradients).isfinite() else "loss's gradient"


def _compute_loss(
    state: TrainingState, loss: torch.nn.Module, images: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """Loss of one chunk, with that of the auxiliary head where there is one."""
    with state.setup.compute.autocast():
        output = state.network(state.setup.compute.arrange(images))
    if not isinstance(output, tuple):
        value: torch.Tensor = loss(output, labels)
        return value
    logits, auxiliary = output
    value = loss(logits, labels)
    value += state.setup.config.aux_weight * loss(auxiliary, labels)
    return value


def _update(state: TrainingState, rate: float) -> None:
    """Pull, clip, step, average."""
    config = state.setup.config
    state.scaler.unscale_(state.optimizer)
    if state.starting_point is not None:
        state.starting_point.add_to_gradients(state.network)
    if config.clip:
        clip_gradients(state.network.parameters(), config.clip)
    set_rate(state.optimizer, rate)
    state.scaler.step(state.optimizer)
    state.scaler.update()
    state.iteration += 1
    state.average.update(state.network, state.iteration)
    if config.unfreeze and state.iteration % config.unfreeze == 0:
        state.thaw()

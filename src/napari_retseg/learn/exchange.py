"""One training in several processes: who computes which samples, and what they tell each other.

The batches of an optimizer step (:attr:`TrainConfig.accumulate`) are shared out. What they add up
to is what one process finds that takes them one after the other: the sum of the gradients, and the
running statistics of BatchNorm as if each batch had come after the one before.

torch's wrapper ``DistributedDataParallel`` does less here: a process that runs out of memory and
takes its batch in parts, or weights that are trained only later, would make the others wait for
ever.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
from torch import distributed
from torch.nn.modules.batchnorm import _BatchNorm

from napari_retseg.errors import JobError

#: How long the processes wait for each other in a step; one that died is noticed at once.
_LONGEST = timedelta(minutes=30)
_TICK_SECONDS = 0.0002
#: How long one that ends may take to say why.
_END_SECONDS = 0.5

LOST = (
    "a process of this training was killed or ran out of memory; the last checkpoint is in the "
    "run folder; use --resume to continue"
)


class Exchange:
    """What a process of a training has to do with the others; alone, nothing."""

    rank = 0
    size = 1

    def cut(self, n: int, *, batch: int, chunk: int) -> Iterator[slice]:
        """Yield the samples that this process computes, in chunks.

        Parameters
        ----------
        n
            Samples of the step.
        batch
            Samples of a batch, which one process computes.
        chunk
            Samples that go through the network at once.
        """
        n_batches = math.ceil(n / batch)
        first, last = (k * n_batches // self.size * batch for k in (self.rank, self.rank + 1))
        end = min(last, n)
        for start in range(first, end, chunk):
            yield slice(start, min(start + chunk, end))

    def begin(self, network: torch.nn.Module) -> None:
        """Begin a step."""

    def begin_again(self) -> None:
        """Begin the step anew: memory ran out in this process."""

    def mark(self) -> None:
        """One part of the step has been computed."""

    def add_up(self, network: torch.nn.Module, loss: float) -> float:  # noqa: ARG002
        """Add up gradients, statistics and losses of all processes; return the loss."""
        return loss

    def close(self) -> None:
        """Leave the others."""


ALONE = Exchange()


class GroupExchange(Exchange):
    """One of several processes on a machine, each with a GPU or its share of the cores.

    Parameters
    ----------
    store
        A file in a folder of this user alone, by which they find each other.
    look
        Raises where another process has ended.
    """

    def __init__(
        self, store: Path, *, rank: int, size: int, device: torch.device, look: Callable[[], None]
    ) -> None:
        self.rank, self.size = rank, size
        self._device = device
        self._look = look
        self._statistics: Statistics | None = None
        distributed.init_process_group(
            "nccl" if device.type == "cuda" else "gloo",
            init_method=store.as_uri(),
            rank=rank,
            world_size=size,
            timeout=_LONGEST,
        )

    def begin(self, network: torch.nn.Module) -> None:
        """Remember the statistics of BatchNorm."""
        self._statistics = Statistics(network)

    def begin_again(self) -> None:
        """Take back what the failed try did to the statistics."""
        assert self._statistics is not None
        self._statistics.reset()

    def mark(self) -> None:
        """Remember the statistics after a part of the step."""
        assert self._statistics is not None
        self._statistics.mark()

    def add_up(self, network: torch.nn.Module, loss: float) -> float:
        """Add up gradients, statistics and losses of all processes; return the loss.

        Raises
        ------
        JobError
            Where another process has ended.
        """
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        own = torch.tensor([loss], device=self._device)
        flat = torch.cat([*(one.flatten() for one in gradients), own])
        self._do(distributed.all_reduce(flat, async_op=True))
        parts = torch.split(flat, [*(one.numel() for one in gradients), 1])
        for gradient, part in zip(gradients, parts[:-1], strict=True):
            gradient.copy_(part.view_as(gradient))
        self._share_statistics()
        return float(parts[-1])

    def close(self) -> None:
        """Leave the others."""
        distributed.destroy_process_group()

    def _share_statistics(self) -> None:
        assert self._statistics is not None
        own = self._statistics.tell().to(self._device)
        if own.numel():
            told = [torch.empty_like(own) for _ in range(self.size)]
            self._do(distributed.all_gather(told, own, async_op=True))
            self._statistics.take([one.cpu() for one in told])

    def _do(self, work: Any) -> None:
        """Wait for the others, as long as they are there."""
        try:
            while not work.is_completed():
                self._look()
                time.sleep(_TICK_SECONDS)
            work.wait()
        except RuntimeError as error:  # the connection to one that ends or died
            time.sleep(_END_SECONDS)
            self._look()
            raise JobError(LOST) from error


class Statistics:
    """Running statistics of a network's BatchNorm before a step, and after each of its parts."""

    def __init__(self, network: torch.nn.Module) -> None:
        self._norms = [
            one
            for one in network.modules()
            if isinstance(one, _BatchNorm) and one.training and one.running_mean is not None
        ]
        sizes = [2 * one.num_features for one in self._norms]
        kept = torch.tensor([1 - (one.momentum or 0.0) for one in self._norms], dtype=torch.float64)
        self._keep = kept.repeat_interleave(torch.tensor(sizes, dtype=torch.int64))
        self._marks = [self._read()]

    def mark(self) -> None:
        """Remember them as they are now."""
        self._marks.append(self._read())

    def reset(self) -> None:
        """Set them back to what they were before the step."""
        self._marks = self._marks[:1]
        self._write(*self._marks[0])

    def tell(self) -> torch.Tensor:
        """Return all marks, ``(mark, values and passes, n)``, float64."""
        return torch.stack(self._marks)

    def take(self, told: Sequence[torch.Tensor]) -> None:
        """Set them to what they are after all that the processes computed, in their order."""
        self._write(*follow(told, self._keep))

    def _read(self) -> torch.Tensor:
        """Means and variances one after the other; and how many batches each has seen."""
        values, passes = [torch.empty(0, dtype=torch.float64)] * 2
        if self._norms:
            pairs = [(one.running_mean, one.running_var) for one in self._norms]
            values = torch.cat([torch.cat(pair).double().cpu() for pair in pairs])  # type: ignore[arg-type]
            seen = [int(one.num_batches_tracked or 0) for one in self._norms]
            passes = torch.cat(
                [
                    torch.full((2 * one.num_features,), n, dtype=torch.float64)
                    for one, n in zip(self._norms, seen, strict=True)
                ]
            )
        return torch.stack([values, passes])

    def _write(self, values: torch.Tensor, passes: torch.Tensor) -> None:
        place = 0
        for one in self._norms:
            n = one.num_features
            assert one.running_mean is not None
            assert one.running_var is not None
            assert one.num_batches_tracked is not None
            one.running_mean.copy_(values[place : place + n])
            one.running_var.copy_(values[place + n : place + 2 * n])
            one.num_batches_tracked.fill_(int(passes[place]))
            place += 2 * n


def follow(told: Sequence[torch.Tensor], keep: torch.Tensor) -> torch.Tensor:
    """Put together what several processes did to the same running averages, one after the other.

    A batch makes ``keep * values + news`` of the values, so that what a process adds does not
    depend on what they were before.

    Parameters
    ----------
    told
        Of each process ``(mark, values and passes, n)``; the first mark is the same in all.
    keep
        What a batch keeps of each value.

    Returns
    -------
    torch.Tensor
        Values and passes after all parts of a step, ``(2, n)``.
    """
    values, passes = told[0][0]
    for part in range(len(told[0]) - 1):
        for marks in told:
            (before, seen), (after, seen_after) = marks[part], marks[part + 1]
            rest = keep ** (seen_after - seen)
            values = rest * values + (after - rest * before)
            passes = passes + (seen_after - seen)
    return torch.stack([values, passes])

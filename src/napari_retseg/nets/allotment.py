"""A limit on the memory that is asked for while a network is built."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from napari_retseg.errors import UsageError

_FACTORIES = (torch.empty, torch.zeros, torch.ones, torch.full, torch.rand, torch.randn)
_INITIALISERS = (torch.Tensor.normal_, torch.Tensor.uniform_)
#: Bytes of a value; networks are built in float32.
_VALUE = 4


@contextmanager
def limit_memory(limit_bytes: int, name: str) -> Iterator[None]:
    """Let new tensors take so many bytes in all; what is freed meanwhile counts, too.

    Each is counted before it is made, so that a description which asks for more than there is
    does no harm.

    Parameters
    ----------
    name
        Of the network, for the message.

    Raises
    ------
    UsageError
        Where more is asked for.
    """
    with _Meter(limit_bytes, name):
        yield


class _Meter(TorchFunctionMode):
    """Counts what torch is asked to make."""

    def __init__(self, limit_bytes: int, name: str) -> None:
        super().__init__()
        self._left = limit_bytes
        self._limit = limit_bytes
        self._name = name

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Count, then do as asked."""
        named = kwargs or {}
        if func in _FACTORIES:
            self._left -= _VALUE * _count_values(args, named)
            if self._left < 0:
                raise UsageError(
                    f"{self._name} would need more memory than the limit "
                    f"({self._limit / 1e9:.1f} GB); choose a smaller one"
                )
        if func in _INITIALISERS and args[0].is_meta:
            return args[0]  # without values; torch would import much to find that out
        return func(*args, **named)


def _count_values(args: tuple[Any, ...], named: dict[str, Any]) -> int:
    """Values of the tensor that a factory is asked for, by its size."""
    size = named.get("size", args)
    if size and isinstance(size[0], list | tuple):
        size = size[0]
    return math.prod(n for n in size if isinstance(n, int))

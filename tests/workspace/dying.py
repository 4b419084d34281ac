"""A program that dies: from one moment on, nothing that it does reaches the disk."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

#: What changes the disk; each call is a moment at which a program may die.
_CALLS = ("replace", "rename", "link", "mkdir", "unlink", "rmdir")


class Killed(BaseException):
    """The program is dead."""


@contextmanager
def dying(patch: pytest.MonkeyPatch, after: int) -> Iterator[None]:
    """Let the program die before its `after`-th change of the disk, or half-way through a file."""
    left = after

    def step() -> None:
        nonlocal left
        if left <= 0:
            raise Killed
        left -= 1

    def dying_call(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            step()
            return real(*args, **more)

        return call

    real_write = Path.write_bytes

    def write_bytes(path: Path, data: bytes) -> int:
        if left <= 0:
            raise Killed
        if left == 1:
            real_write(path, bytes(data)[: len(data) // 2])
        step()
        return real_write(path, data) if left else 0

    with patch.context() as patched:
        for name in _CALLS:
            patched.setattr(os, name, dying_call(getattr(os, name)))
        patched.setattr(Path, "write_bytes", write_bytes)
        yield

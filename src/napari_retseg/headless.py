"""Whether this process is one of ours that never opens a viewer: a command, or a worker.

Such a process may leave out what it does not need. Where a viewer has drawn with software OpenGL,
importing triton afterwards ends the process: both bring an LLVM of their own.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager

#: How often one of torch's threads looks for the others before it sleeps: some 50 us. GNU's OpenMP
#: looks 300,000 times, and takes 1,000 itself where it knows of more threads than cores; it does
#: not know of other processes.
_SPIN_COUNT = "1000"
#: Settings of the user's own about that.
_WAITING = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")

_is_headless = False


def declare_headless() -> None:
    """Say that this process never opens a viewer; before torch is imported, which reads settings.

    Its threads then leave the cores to other processes while they wait for each other.
    """
    global _is_headless  # noqa: PLW0603 - it is about the whole process
    _is_headless = True
    if not any(name in os.environ for name in _WAITING):
        os.environ["GOMP_SPINCOUNT"] = _SPIN_COUNT


def is_headless() -> bool:
    """Whether :func:`declare_headless` was called in this process."""
    return _is_headless


@contextmanager
def importing() -> Iterator[None]:
    """Import libraries without looking for garbage meanwhile, where no viewer is opened.

    torch and what it needs are a million objects, all of them kept: to look through them again and
    again takes a fifth of the time of an import. They are left out of later searches, too.
    """
    if not _is_headless or not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()

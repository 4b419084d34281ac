"""Whether this process is one of ours that never opens a viewer: a command, or a worker.

Such a process may leave out what it does not need. Where a viewer has drawn with software OpenGL,
importing triton afterwards ends the process: both bring an LLVM of their own.
"""

from __future__ import annotations

_is_headless = False


def declare_headless() -> None:
    """Say that this process never opens a viewer."""
    global _is_headless  # noqa: PLW0603 - it is about the whole process
    _is_headless = True


def is_headless() -> bool:
    """Whether :func:`declare_headless` was called in this process."""
    return _is_headless

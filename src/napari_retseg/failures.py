"""What was raised, as one line for the user: also what nobody foresaw."""

from __future__ import annotations

import errno
import gc
import sys

from napari_retseg.errors import RetsegError

OUT_OF_MEMORY = "out of memory; close other programs, or use fewer or smaller scans"

#: How torch, CUDA and its libraries say it; the first has a type of its own.
_SHORT = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "alloc_failed",
    "unable to allocate",
)


def explain(error: BaseException) -> str:
    """Say in one line what went wrong."""
    if is_memory_short(error):
        return OUT_OF_MEMORY
    if isinstance(error, RetsegError):
        return one_line(error)
    if isinstance(error, OSError):
        return explain_os_error(error)
    return one_line(f"{type(error).__name__}: {error}".rstrip(": "))


def is_foreseen(error: BaseException) -> bool:
    """Whether it is no fault of the program: a user or the system can cause it."""
    return isinstance(error, RetsegError | OSError) or is_memory_short(error)


def is_memory_short(error: BaseException) -> bool:
    """Whether memory was short, of the computer or of a GPU."""
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    text = str(error).lower()
    return isinstance(error, RuntimeError) and any(words in text for words in _SHORT)


def explain_os_error(error: OSError) -> str:
    """Say what the system refused, and for which file."""
    where = f"{error.filename}: " if error.filename else ""
    return one_line(f"{where}{error.strerror or error}")


def one_line(message: object) -> str:
    """Put a message on one line."""
    return " ".join(str(message).split())


def release_memory() -> None:
    """Give back what a failed piece of work has left, so that the next one has it."""
    gc.collect()
    torch = sys.modules.get("torch")
    if torch is not None and torch.cuda.is_initialized():
        torch.cuda.empty_cache()

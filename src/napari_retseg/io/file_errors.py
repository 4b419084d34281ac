"""Opening files: what can go wrong is said in one line, and libraries keep quiet."""

from __future__ import annotations

import logging
import lzma
import struct
import threading
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from napari_retseg.errors import InputError
from napari_retseg.regular import open_regular

#: What the format libraries raise on broken files.
_BROKEN: tuple[type[Exception], ...] = (
    ArithmeticError, AssertionError, AttributeError, EOFError, LookupError, MemoryError, OSError,
    RuntimeError, SyntaxError, TypeError, ValueError, lzma.LZMAError, struct.error, zlib.error,
)  # fmt: skip


def check_file(path: Path) -> int:
    """Make sure that a regular file is there, not empty and may be read; return its size in bytes.

    Raises
    ------
    InputError
        With the reason.
    """
    with open_regular(path) as stream:
        size = stream.seek(0, 2)
    if size == 0:
        raise InputError(f"{path}: the file is empty; copy or export it again")
    return size


def is_folder(path: Path) -> bool:
    """Whether a path is a folder.

    Raises
    ------
    InputError
        Where a folder above it may not be entered.
    """
    try:
        return path.is_dir()
    except OSError as error:
        raise InputError(f"{path}: {_explain(error)}") from error


@contextmanager
def reading(path: Path, kind: str, *more: type[Exception]) -> Iterator[None]:
    """Turn what libraries raise while they read a `kind` of file into one clear line.

    Parameters
    ----------
    path
        The file that is read.
    kind
        What it should be, as in "a PNG image".
    more
        Further exceptions of the library.

    Raises
    ------
    InputError
        In place of what was raised.
    """
    try:
        yield
    except MemoryError as error:
        raise InputError(f"{path}: too large for the memory, or a damaged header") from error
    except (FileNotFoundError, PermissionError) as error:
        raise InputError(f"{path}: {_explain(error)}") from error
    except (*_BROKEN, *more) as error:
        why = first_line(error)
        raise InputError(
            f"{path}: cannot be read as {kind} ({why}); it may be truncated or of another type"
        ) from error


@contextmanager
def needing(package: str, extra: str, *, path: Path, kind: str) -> Iterator[None]:
    """Name the extra that brings a package where it cannot be imported.

    Parameters
    ----------
    package
        Its name.
    extra
        Of this package.
    path
        The file that it is needed for.
    kind
        What cannot be done without it, as in "DICOM files".

    Raises
    ------
    InputError
        In place of the ImportError.
    """
    try:
        yield
    except ImportError as error:
        raise InputError(
            f"{path}: {kind} need {package}; install it with pip install 'napari-retseg[{extra}]'"
        ) from error


def first_line(error: BaseException) -> str:
    """The first line of what an exception says, at most 120 characters, or its type."""
    lines = str(error).strip().splitlines()
    text = lines[0].strip() if lines else type(error).__name__
    return text if len(text) <= 120 else text[:117] + "..."


def _explain(error: OSError) -> str:
    if isinstance(error, FileNotFoundError):
        return "file or folder not found; check the path"
    if isinstance(error, PermissionError):
        return "permission denied; change its permissions"
    return f"cannot be opened ({error.strerror or first_line(error)})"


@contextmanager
def collecting(name: str) -> Iterator[list[str]]:
    """Keep what a library logs in this thread from the console, and collect the warnings.

    Parameters
    ----------
    name
        The library's logger.

    Yields
    ------
    list of str
        Messages of level WARNING and above; grows while the block runs.
    """
    messages: list[str] = []
    thread = threading.get_ident()

    def take(record: logging.LogRecord) -> bool:
        if record.thread != thread:
            return True
        if record.levelno >= logging.WARNING:
            messages.append(record.getMessage())
        return False

    logger = logging.getLogger(name)
    logger.addFilter(take)
    try:
        yield messages
    finally:
        logger.removeFilter(take)

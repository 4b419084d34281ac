"""The full state of a training on disk: never pickled objects, never half a file."""

from __future__ import annotations

import io
import pickle
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import torch

from napari_retseg.errors import InputError, NotThereError
from napari_retseg.io.atomic import write_bytes
from napari_retseg.regular import open_regular
from napari_retseg.ziparchive import check_list

FORMAT = 1

#: Bytes of a checkpoint: a network twice, and what the optimizer keeps of each weight.
LARGEST_CHECKPOINT = 64 * 1024**3
#: Bytes of the part that says what the tensors are.
_LONGEST_INDEX = 64 * 1024**2
#: Bytes of the list of its parts, of which each tensor is one.
_LONGEST_LIST = 16 * 1024**2
_STORAGES = "/data/"
#: What torch, zipfile and the restricted unpickler raise on files that are damaged or forged.
_FAILURES = (
    ArithmeticError,
    AssertionError,
    AttributeError,
    EOFError,
    ImportError,
    LookupError,
    MemoryError,
    NotImplementedError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    pickle.UnpicklingError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write tensors, numbers, strings, lists and dictionaries; replaces `path` atomically."""
    buffer = io.BytesIO()
    torch.save({"format": FORMAT, **state}, buffer)
    write_bytes(path, buffer.getbuffer())


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read a state written by :func:`save_checkpoint`, onto the CPU.

    Tensors and plain values only, without running anything in the file; what it claims to hold
    is compared with what it holds.

    Raises
    ------
    InputError
        Where there is none, or it cannot be read.
    """
    try:
        with open_regular(path, limit=LARGEST_CHECKPOINT) as stream:
            sizes = _check_archive(stream, path)
            stream.seek(0)
            state: Any = torch.load(stream, map_location="cpu", weights_only=True)
        _check_storages(state, sizes)
    except NotThereError as error:
        raise InputError(f"{path}: found no checkpoint to resume from") from error
    except _FAILURES as error:
        reason = str(error).strip().splitlines()[0][:200] if str(error).strip() else ""
        raise _unreadable(path, reason or type(error).__name__) from error
    if not isinstance(state, dict) or state.get("format") != FORMAT:
        raise InputError(f"{path}: not a checkpoint of this version; start a new run")
    return state


def _check_archive(stream: BinaryIO, path: Path) -> list[int]:
    """Check the zip file that torch writes: nothing in it is compressed, so nothing unfolds.

    Returns
    -------
    list of int
        Bytes of each storage of tensors.
    """
    size = stream.seek(0, io.SEEK_END)
    check_list(stream, _LONGEST_LIST)
    with zipfile.ZipFile(stream) as archive:
        entries = archive.infolist()
    names = [entry.filename for entry in entries]
    if len(set(names)) < len(names):
        raise _unreadable(path, "a part of it exists twice")
    if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries):
        raise _unreadable(path, "a part of it is compressed")
    if sum(entry.file_size for entry in entries) > size:
        raise _unreadable(path, "it is shorter than its header says")
    if any(e.file_size > _LONGEST_INDEX and _STORAGES not in e.filename for e in entries):
        raise _unreadable(path, "its index is too long")
    return [entry.file_size for entry in entries if _STORAGES in entry.filename]


def _check_storages(state: Any, sizes: list[int]) -> None:
    """Make sure that tensors are no larger than what the file holds of them.

    Raises
    ------
    ValueError
        Where one is; nothing has been read from it yet.
    """
    claimed = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
        for tensor in _find_tensors(state)
    }
    if Counter(size for size in claimed.values() if size) - Counter(sizes):
        raise ValueError("a tensor has a size that does not match its values")


def _find_tensors(value: Any) -> Iterator[torch.Tensor]:
    waiting = [value]
    while waiting:
        one = waiting.pop()
        if isinstance(one, torch.Tensor):
            yield one
        elif isinstance(one, dict):
            waiting.extend(one.values())
        elif isinstance(one, list | tuple):
            waiting.extend(one)


def _unreadable(path: Path, reason: str) -> InputError:
    return InputError(
        f"{path}: this checkpoint cannot be read ({reason}); start a new run from the model "
        "in the run folder"
    )

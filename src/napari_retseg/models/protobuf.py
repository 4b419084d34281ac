"""The wire format of protocol buffers, read without a library that would allocate what it says."""

from __future__ import annotations

from collections.abc import Iterator

_LONGEST_VARINT = 10
#: Bytes of a value of fixed size, by wire type.
_FIXED = {1: 8, 5: 4}
_VARINT, _BYTES = 0, 2


def read_fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """List the fields of a message in their order.

    Yields
    ------
    int, int or memoryview
        The field's number; its value, or its bytes: a message, a text or packed numbers.

    Raises
    ------
    ValueError
        Where the message ends too early, or is none.
    """
    place = 0
    while place < len(message):
        tag, place = _read_varint(message, place)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, place = _read_varint(message, place)
            yield number, value
            continue
        if kind == _BYTES:
            size, place = _read_varint(message, place)
        elif kind in _FIXED:
            size = _FIXED[kind]
        else:
            raise ValueError(f"unknown wire type {kind}")
        if size > len(message) - place:
            raise ValueError("it ends too early")
        yield number, message[place : place + size]
        place += size


def _read_varint(message: memoryview, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(_LONGEST_VARINT):
        if place >= len(message):
            raise ValueError("it ends too early")
        byte = message[place]
        place += 1
        value |= (byte & 0x7F) << (7 * shift)
        if byte < 0x80:
            return value, place
    raise ValueError("a number is too long")
